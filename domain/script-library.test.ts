import { parseUse, publicName, publicUse, versionStates, whyNotChange, whyNotRun } from './script-library.js'

describe('a version of a script', () => {
  it.each([
    ['edit', ['draft']],
    ['publish', ['draft', 'offline']],
    ['disable', ['draft', 'online', 'offline']],
    ['remove', ['draft', 'offline', 'disabled']],
  ] as const)('can be changed by %s from %j alone', (change, from) => {
    expect(versionStates.filter((state) => whyNotChange(state, change) === undefined)).toEqual(from)
  })

  it('says why it cannot be changed, and what to do', () => {
    expect(whyNotChange('online', 'edit')).toBe(
      'it is online and cannot be edited: make a new version from it',
    )
  })

  it('runs when it is, or was, online', () => {
    expect(versionStates.filter((state) => !whyNotRun(state))).toEqual(['online', 'offline'])
  })
})

describe('the use of a script', () => {
  it.each([
    ['deploy', { name: 'deploy', version: undefined }],
    ['web.deploy-1@12', { name: 'web.deploy-1', version: 12 }],
    ['public/deploy@2', { name: 'public/deploy', version: 2 }],
  ])('%p is %j', (text, use) => {
    expect(parseUse(text)).toEqual(use)
  })

  it('says which library it means', () => {
    expect([publicName(publicUse('deploy')), publicName('deploy'), publicName('public')]).toEqual([
      'deploy',
      undefined,
      undefined,
    ])
  })

  it.each([
    'public/',
    'public/a/b',
    'other/a',
    '',
    '@3',
    'a@',
    'a@0',
    'a@1234567',
    'a b',
    '-a',
    'a@3@4',
    `${'a'.repeat(64)}`,
    'a\n',
    'ä',
  ])('%p is none', (text) => {
    expect(parseUse(text)).toBeUndefined()
  })
})
