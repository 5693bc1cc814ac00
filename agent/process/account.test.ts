/** Accounts: reading them, and the words that change to one. */
import { execFileSync } from 'node:child_process'
import { commandAs, findSwitchTools, loginCommand, ownAccount, parsePasswd } from './account.js'

const app = { name: 'app', uid: 1001, gid: 1002, home: '/srv/app', shell: '/bin/bash' }
const passwd =
  'root:x:0:0:root:/root:/bin/bash\n# comment\n\napp:x:1001:1002:App:/srv/app:/bin/bash\nbare:x:5:6:::\n'

describe('an account', () => {
  it.each([
    ['app', app],
    ['bare', { name: 'bare', uid: 5, gid: 6, home: '/', shell: '/bin/sh' }],
    ['nobody-here', undefined],
  ])('%s is read from passwd', (name, account) => {
    expect(parsePasswd(passwd, (entry) => entry.name === name)).toEqual(account)
  })

  it('of the agent is its own', async () => {
    expect((await ownAccount()).uid).toBe(process.getuid?.())
  })
})

describe('changing to an account', () => {
  const words = ['/bin/sh', '/x/command']
  it.each([
    [
      { setpriv: '/s/setpriv', runuser: '/s/runuser', su: '/s/su' },
      ['/s/setpriv', '--reuid=1001', '--regid=1002', '--init-groups', '--', ...words],
    ],
    [{ setpriv: undefined, runuser: '/s/runuser', su: '/s/su' }, ['/s/runuser', '-u', 'app', '--', ...words]],
    [
      { setpriv: undefined, runuser: undefined, su: '/s/su' },
      ['/s/su', '-s', '/bin/sh', '-c', 'exec "$0" "$@"', '--', 'app', ...words],
    ],
    [{ setpriv: undefined, runuser: undefined, su: undefined }, undefined],
  ])('takes the best tool of %j', (tools, command) => {
    expect(commandAs(app, words, tools)).toEqual(command)
  })

  const asRoot = process.getuid?.() === 0 ? it : it.skip
  asRoot.each(['setpriv', 'runuser', 'su'] as const)(
    'works with %s on this host, groups included',
    (tool) => {
      const tools = { setpriv: undefined, runuser: undefined, su: undefined, [tool]: findSwitchTools()[tool] }
      const account = { name: 'www-data', uid: 33, gid: 33, home: '/', shell: '/bin/sh' }
      const command =
        commandAs(account, ['/bin/sh', '-c', 'id -un; id -G; echo "$1"', 'x', "two words'"], tools) ?? []
      const [program = '', ...rest] = command
      expect(execFileSync(program, rest, { env: { PATH: '/usr/bin:/bin' } }).toString()).toBe(
        "www-data\n33\ntwo words'\n",
      )
    },
  )

  it('with a login uses the account’s shell only when it can take a profile', () => {
    expect(loginCommand(app, '/c')[0]).toBe('/bin/bash')
    expect(loginCommand({ ...app, shell: '/usr/sbin/nologin' }, '/c')[0]).toBe('/bin/sh')
  })
})
