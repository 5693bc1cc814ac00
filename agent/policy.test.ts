/** The host's own policy: what it forbids, and when it cannot be trusted. */
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Policy, PolicyFile, parsePolicy, policyRefusal } from './policy.js'

const task = {
  capability: 'script',
  language: 'bash',
  account: 'app',
  uid: 1000,
  workingDirectory: '/srv/app',
}

describe('a policy', () => {
  it.each<[Policy, Partial<typeof task>, boolean]>([
    [{}, {}, false],
    [{ accounts: ['app'] }, {}, false],
    [{ accounts: ['other'] }, {}, true],
    [{ accounts: [] }, {}, true],
    [{ languages: ['bash', 'sh'] }, {}, false],
    [{ languages: ['sh'] }, {}, true],
    [{ capabilities: ['files'] }, {}, true],
    [{ unprivileged: true }, {}, false],
    [{ unprivileged: true }, { uid: 0 }, true],
    [{ pathPrefixes: ['/srv'] }, {}, false],
    [{ pathPrefixes: ['/srv/app/'] }, {}, false],
    [{ pathPrefixes: ['/srv/ap'] }, {}, true],
    [{ pathPrefixes: ['/'] }, {}, false],
    [{ pathPrefixes: ['/srv'] }, { workingDirectory: '/srv/../etc' }, true],
  ])('%j with %j forbids: %p', (policy, change, forbidden) => {
    expect(policyRefusal(policy, { ...task, ...change }) !== undefined).toBe(forbidden)
  })

  it.each(['{"account": ["app"]}', '{"accounts": "app"}', '{"unprivileged": false}', '[]', '{'])(
    'that is misspelt as %s is refused as a whole',
    (text) => {
      expect(() => parsePolicy(text)).toThrow()
    },
  )
})

describe('the policy file', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'drover-policy-'))
    path = join(folder, 'policy.json')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('allows everything when it is missing', () => {
    expect(new PolicyFile(path).read()).toEqual({ readable: true, policy: {} })
  })

  it('is read again when it changes', () => {
    const file = new PolicyFile(path)
    writeFileSync(path, '{"languages":["sh"]}')
    expect(file.read()).toEqual({ readable: true, policy: { languages: ['sh'] } })
    writeFileSync(path, '{"languages":["sh","perl"]}')
    expect(file.read()).toEqual({ readable: true, policy: { languages: ['sh', 'perl'] } })
  })

  it.each([0o664, 0o646])('is not trusted with mode %o', (mode) => {
    writeFileSync(path, '{}')
    chmodSync(path, mode)
    expect(new PolicyFile(path).read().readable).toBe(false)
  })

  it('is not trusted when it is a link', () => {
    writeFileSync(join(folder, 'real'), '{}')
    symlinkSync('real', path)
    expect(new PolicyFile(path).read().readable).toBe(false)
  })

  const asRoot = process.getuid?.() === 0 ? it : it.skip
  asRoot('is not trusted when another account owns it', () => {
    writeFileSync(path, '{}')
    chownSync(path, 33, 33)
    expect(new PolicyFile(path).read().readable).toBe(false)
  })
})
