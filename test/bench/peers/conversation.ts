/** A long-lived process that answers one line of JSON with another: the libraries of peers, their connections kept. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Site } from './site'

export interface Conversation {
  /** The answer, or the next word of it when asked nothing. @throws if the process ends instead */
  ask<T>(question?: object): Promise<T>
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
}

export function startConversation(site: Site, command: string, args: string[]): Conversation {
  const child = spawn(command, args, {
    cwd: site.folder,
    env: { ...site.env, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2_000)))
  child.stdin.on('error', () => undefined)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', (error) => {
      errors += error.message
      resolve()
    })
  })
  return {
    async ask<T>(question?: object) {
      if (question) child.stdin.write(`${JSON.stringify(question)}\n`)
      const line = await lines.next()
      if (line.done) throw new Error(`${args.at(0)} ended: ${errors}`)
      return JSON.parse(line.value) as T
    },
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
  }
}
