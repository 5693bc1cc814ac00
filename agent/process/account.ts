/** Accounts of this host: who they are, and how a command comes to run as one with all its groups. */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { readIfPresent } from '../files.js'

export interface Account {
  name: string
  uid: number
  gid: number
  home: string
  shell: string
}

/** PATH of every script, and where its interpreter is looked for first. */
export const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The account of that name, from /etc/passwd or whatever else the host asks (LDAP, sssd). */
export async function findAccount(name: string): Promise<Account | undefined> {
  const isNamed = (entry: Account) => entry.name === name
  return (await findLocal(isNamed)) ?? (await askSystem(name, isNamed))
}

/** The account that the agent itself runs as. */
export async function ownAccount(): Promise<Account> {
  const uid = process.getuid?.() ?? 0
  const isOwn = (entry: Account) => entry.uid === uid
  const found = (await findLocal(isOwn)) ?? (await askSystem(String(uid), isOwn))
  return found ?? { name: String(uid), uid, gid: process.getgid?.() ?? 0, home: '/', shell: '/bin/sh' }
}

export function parsePasswd(text: string, matches: (entry: Account) => boolean): Account | undefined {
  for (const line of text.split('\n')) {
    const [name = '', , uid, gid, , home = '/', shell = ''] = line.split(':')
    if (!name || uid === undefined || gid === undefined) continue
    const entry = { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' }
    if (matches(entry)) return entry
  }
  return undefined
}

async function findLocal(matches: (entry: Account) => boolean): Promise<Account | undefined> {
  return parsePasswd((await readIfPresent('/etc/passwd').catch(() => undefined)) ?? '', matches)
}

async function askSystem(key: string, matches: (entry: Account) => boolean): Promise<Account | undefined> {
  if (!/^[A-Za-z0-9_.][A-Za-z0-9_.@\\-]*\$?$/.test(key)) return undefined
  try {
    const { stdout } = await promisify(execFile)('getent', ['passwd', key], { timeout: 5_000 })
    return parsePasswd(stdout, matches)
  } catch {
    return undefined
  }
}

/** First program of that name in a PATH. */
export function findProgram(name: string, path: string): string | undefined {
  for (const folder of path.split(delimiter)) {
    if (!folder.startsWith('/')) continue
    const candidate = join(folder, name)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {}
  }
  return undefined
}

/** Ways of changing the account, best first. */
export interface SwitchTools {
  setpriv: string | undefined
  runuser: string | undefined
  su: string | undefined
}

export function findSwitchTools(): SwitchTools {
  return {
    setpriv: findProgram('setpriv', STANDARD_PATH),
    runuser: findProgram('runuser', STANDARD_PATH),
    su: findProgram('su', STANDARD_PATH),
  }
}

/**
 * Words that run `words` as the account, groups included; undefined when the host has no tool for it.
 * Node's own uid and gid options are no way: they drop the supplementary groups.
 */
export function commandAs(account: Account, words: string[], tools: SwitchTools): string[] | undefined {
  const { name, uid, gid } = account
  if (tools.setpriv)
    return [tools.setpriv, `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--', ...words]
  if (tools.runuser) return [tools.runuser, '-u', name, '--', ...words]
  // The dash ends su's own options; "$0" "$@" hands the words on without putting them into shell text.
  if (tools.su) return [tools.su, '-s', '/bin/sh', '-c', 'exec "$0" "$@"', '--', name, ...words]
  return undefined
}

// Only these read a profile and take `-l -c`; for csh and its like the profile of sh has to do.
const loginShells = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'zsh', 'mksh'])

/** Words that read the account's profile and then run the command file. */
export function loginCommand(account: Account, commandFile: string): string[] {
  const usable =
    loginShells.has(basename(account.shell)) && findProgram(basename(account.shell), STANDARD_PATH)
  return [usable ? account.shell : '/bin/sh', '-l', '-c', 'exec /bin/sh "$0"', commandFile]
}
