/** Where the programs of peers are: Python tools in the cache, OpenSSH from the system. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { cacheFolder, checkout } from '../../../stack/embedded/find'

export type ToolName = 'salt' | 'ansible' | 'parallel-ssh'

export const peersFolder = () => path.join(checkout(), 'test/bench/peers')

/** A program of the tool's virtual environment, by the rule of stack/prepare/python-tools.mjs. @throws if it is not installed */
export function toolProgram(tool: ToolName, program: string): string {
  const pins = createHash('sha256').update(readFileSync(path.join(peersFolder(), `${tool}.txt`)))
  const folder = path.join(cacheFolder(process.env), `${tool}-${pins.digest('hex').slice(0, 12)}`)
  if (!existsSync(path.join(folder, '.complete')))
    throw new Error(`${tool} is not installed: \`npm run bench -- --peers\` installs it`)
  return path.join(folder, 'bin', program)
}

/** sshd must be called by its whole path, for it runs itself again. @throws if it is not installed */
export function sshServerProgram(): string {
  const found = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find((file) => existsSync(file))
  if (!found) throw new Error('sshd is not installed: `npm run bench -- --peers` installs it')
  return found
}
