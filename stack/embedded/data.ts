/** The data folder of one stack: who may use it, what it keeps secret, and who may pass through it. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isRunning, statOf } from '../supervise/proc.js'
import { ServerError } from './find.js'

/** Secrets of the embedded servers, made at the first start. */
export interface Secrets {
  postgresPassword: string
  s3AccessKey: string
  s3SecretKey: string
}

/** DROVER_DATA, or the machine's or the user's place for the stack of this name. */
export function defaultDataFolder(name: string, env: Record<string, string | undefined>): string {
  if (env['DROVER_DATA']) return env['DROVER_DATA']
  if (process.getuid?.() === 0) return join('/var/lib/drover', name)
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local/share'), 'drover', name)
}

export function temporaryDataFolder(): string {
  return mkdtempSync(join(tmpdir(), 'drover-'))
}

/** The account of Postgres when we are root, which it refuses to run as. */
export function unprivilegedAccount(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'))
  const [, , uid, gid] = (line ?? 'nobody:x:65534:65534').split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Makes the folder passable (not readable) for Postgres' account. Throws ServerError if a folder above is closed to it. */
export function openDataFolder(data: string): void {
  mkdirSync(data, { recursive: true })
  chmodSync(data, 0o711)
  if (!unprivilegedAccount()) return
  for (let folder = data; folder !== '/'; folder = dirname(folder)) {
    if (statSync(folder).mode & 0o001) continue
    throw new ServerError(
      `${folder} is closed to other accounts, and PostgreSQL (which refuses to run as root) must pass through it to ${data}. Choose another folder with DROVER_DATA.`,
    )
  }
}

/** A folder below the data folder that only we, or only `account`, may read. */
export function privateFolder(data: string, name: string, account?: { uid: number; gid: number }): string {
  const folder = join(data, name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (account) chownSync(folder, account.uid, account.gid)
  return folder
}

/**
 * Claims the folder for this process.
 * @returns a function that gives it back
 * @throws ServerError if another stack runs on it
 */
export function lockDataFolder(data: string): () => void {
  const file = join(data, 'lock')
  const mine = `${process.pid} ${statOf(process.pid)?.birth}`
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: 'wx', mode: 0o600 })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const [pid, birth] = readFileSync(file, 'utf8').split(' ')
    if (isRunning(Number(pid), birth ?? '')) {
      throw new ServerError(
        `a stack runs on ${data} already (pid ${pid}). Stop it, or run another beside it with --name.`,
      )
    }
    rmSync(file, { force: true })
  }
}

/** Reads a file of ours, or makes it with mode 0600. */
export function keep(file: string, make: () => string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const text = make()
  writeFileSync(file, `${text}\n`, { mode: 0o600 })
  return text
}

export function secretsOf(data: string): Secrets {
  const random = () => randomBytes(18).toString('hex')
  const text = keep(join(data, 'secrets.json'), () =>
    JSON.stringify({
      postgresPassword: random(),
      s3AccessKey: `drover${random().slice(0, 8)}`,
      s3SecretKey: random(),
    }),
  )
  return JSON.parse(text) as Secrets
}
