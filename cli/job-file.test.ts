import { concealSecrets, printJobFile, readJobFile } from './job-file.js'

const read = (text: string) => readJobFile(text, 'job.yaml')
const said = (text: string) => {
  try {
    read(text)
  } catch (error) {
    return (error as Error).message
  }
  return ''
}

const text = `job: deploy-site
description: rolls the site out
tags:
  - web
steps:
  - name: drain
    uses: drain@2
  - name: deploy
    language: sh
    script: |
      echo "on $1"
      exit 0
    arguments:
      - "2026.11"
plans:
  staging:
    description: the first
    steps:
      - deploy
  whole: {}
`

describe('a job as YAML', () => {
  it('says what takes a step back after all of the step, and without what the server fills in', () => {
    const [file] = read(
      `job: a\nsteps: [{undo: {timeoutMs: 3600000, script: b, account: web, type: script}, when: 'true', script: a, name: s}]`,
    )
    expect(file && printJobFile(file)).toBe(
      'job: a\nsteps:\n  - name: s\n    script: a\n    when: "true"\n    undo:\n      script: b\n      account: web\n',
    )
  })

  it('is printed as it was read', () => {
    const [file] = read(text)
    expect(file && printJobFile(file)).toBe(text)
  })

  it('is the same whether it says what the server fills in or not', () => {
    const [file] = read(
      `job: a\nsteps: [{name: s, script: 'true', timeoutMs: 3600000, onFailure: stop, arguments: []}]`,
    )
    expect(file && printJobFile(file)).toBe('job: a\nsteps:\n  - name: s\n    script: "true"\n')
  })

  it('may stand beside others in one file', () => {
    expect(read('job: a\nsteps: []\n---\njob: b\nsteps: []\n').map((file) => file.job)).toEqual(['a', 'b'])
  })

  it.each([
    ['an alias', 'job: a\nsteps: &s []\nplans: *s', /aliases/],
    ['a bomb', 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]', /aliases/],
    ['a tag', 'job: !!js/function "f"\nsteps: []', /tag/i],
    ['a key twice', 'job: a\njob: b\nsteps: []', /line 2, column 1 \(duplicate key\)/],
    ['what is no YAML', 'job: [', /job\.yaml: /],
    ['a field that is none', 'job: a\nsteps: []\nstages: []', /"stages"/],
    ['a merge key', 'job: a\nsteps: []\n<<: {x: 1}', /"<<"/],
    ['no name', 'steps: []', /"job" must be/],
    ['an empty name', "job: ''\nsteps: []", /"job" must be/],
    ['tags of nothing', 'job: a\ntags:\nsteps: []', /"tags" must be/],
    ['no steps', 'job: a', /"steps" must be/],
    ['a list', '- job: a', /map of fields/],
    ['nothing', '', /no document/],
    ['over 8 MiB', `job: ${'a'.repeat(8 * 1024 * 1024)}`, /8 MiB/],
  ])('is refused with %s', (_what, wrong, message) => {
    expect(said(wrong)).toMatch(message)
  })
})

describe('a document with a secret in it', () => {
  const value = (text: string) =>
    `job: a\nvariables:\n  - name: PW\n    type: secret\n    value: ${text}\nsteps: []`

  it.each(['"hunter2" extra', '{ hunter2: x: y }', '*hunter2', '!hunter2 x'])(
    'is refused without it where it is no YAML: %s',
    (secret) => {
      expect(said(value(secret))).toMatch(/^job\.yaml: /)
      expect(said(value(secret))).not.toContain('hunter2')
    },
  )

  it.each(['hunter2', '48151623', '[hunter2]'])('shows that it brings one, and not which: %s', (secret) => {
    const [file] = read(value(secret))
    if (!file) throw new Error('no document')
    expect(concealSecrets(file).variables).toMatchObject([{ name: 'PW', value: '****** (another one)' }])
  })

  it('shows the name of one of the store', () => {
    const [file] = read(value('{ secret: db-password }'))
    if (!file) throw new Error('no document')
    expect(concealSecrets(file).variables).toMatchObject([{ value: { secret: 'db-password' } }])
  })
})
