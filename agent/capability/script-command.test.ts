import { findLanguage } from './language.js'
import { scriptCommand, type ScriptPlan } from './run-script.js'

const language = findLanguage('sh')
if (!language) throw new Error('no sh')
const account = { name: 'me', uid: 1, gid: 1, home: '/', shell: '/bin/sh' }
const plan: ScriptPlan = {
  account,
  own: true,
  language,
  interpreter: ['/bin/sh'],
  workingDirectory: '/',
  login: false,
}
const tools = { setpriv: '/usr/bin/setpriv', runuser: undefined, su: undefined }
const of = (changed: Partial<ScriptPlan>) =>
  scriptCommand({ ...plan, ...changed }, { scriptFolder: '/f', commandTakesWords: true }, tools)

describe('what the wrapper runs', () => {
  it('is a command file that it reads itself where that is of the account of the agent', () => {
    expect(of({})).toEqual({ file: '/f/command', words: [] })
  })

  it('is another shell that reads it where the file takes no words, for it was accepted by an earlier version', () => {
    expect(scriptCommand(plan, { scriptFolder: '/f' }, tools)).toEqual({
      file: undefined,
      words: ['/bin/sh', '/f/command'],
    })
  })

  it('is another shell for another account, and for a login', () => {
    expect(of({ own: false })).toMatchObject({ file: undefined })
    expect(of({ own: false }).words.slice(-2)).toEqual(['/bin/sh', '/f/command'])
    expect(of({ login: true }).words.slice(1)).toEqual(['-l', '-c', 'exec /bin/sh "$0"', '/f/command'])
  })
})
