/** A program of a peer as its caller uses it: its output kept, watched while it comes, killed in mid-run. */
import { spawn } from 'node:child_process'
import { familyOf, killAll } from '../../helpers/family'
import type { Site } from './site'

export interface Ended {
  code: number | null
  stdout: Buffer
  /** Both streams, cut to what a person reads. */
  excerpt: string
}

export interface Program {
  ended: Promise<Ended>
  /** Resolves with the clock (performance.now) when the text stands in its output. @throws if it never does */
  sees(text: string): Promise<number>
  /** SIGKILL, for it and for all that it has started. */
  kill(): void
}

const EXCERPT = 600

export function startProgram(
  site: Site,
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Program {
  const child = spawn(command, args, {
    cwd: site.folder,
    env: { ...site.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const out: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => out.push(piece))
  child.stderr.on('data', (piece: Buffer) => errors.push(piece))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      const stdout = Buffer.concat(out)
      const text = `${stdout.subarray(0, EXCERPT).toString()}${Buffer.concat(errors).subarray(-EXCERPT).toString()}`
      resolve({ code, stdout, excerpt: text.trim() })
    })
  })
  return {
    ended,
    sees: async (text) => {
      const seen = new Promise<number>((resolve) => {
        child.stdout.on('data', () => {
          const at = performance.now()
          if (Buffer.concat(out).includes(text)) resolve(at)
        })
      })
      const never = ended.then(({ excerpt }) => Promise.reject(new Error(`never said ${text}: ${excerpt}`)))
      return Promise.race([seen, never])
    },
    kill: () => killAll(familyOf(child.pid ?? -1)),
  }
}

/** To its end. @throws if the exit code is not 0 */
export async function runProgram(
  site: Site,
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const ended = await startProgram(site, command, args, env).ended
  if (ended.code !== 0) throw new Error(`${command} ended with ${ended.code}: ${ended.excerpt}`)
  return ended
}
