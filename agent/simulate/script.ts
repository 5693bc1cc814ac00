/**
 * The few lines of shell that a simulated host understands, so that a run can be steered by its script: `true`, `false`,
 * `exit N`, `sleep N`, `echo WORDS`, `echo WORDS >&2`. Every other line does nothing.
 */

export interface ScriptStep {
  /** ms after the start */
  atMs: number
  stream: 'stdout' | 'stderr'
  text: string
}

export interface ScriptRun {
  steps: ScriptStep[]
  durationMs: number
  exitCode: number
}

// What a record of a start may hold.
const MAX_TEXT = 4_096

export function readScript(content: Uint8Array): ScriptRun {
  const run: ScriptRun = { steps: [], durationMs: 0, exitCode: 0 }
  let room = MAX_TEXT
  for (const statement of Buffer.from(content).toString('utf8').split(/[\n;]/)) {
    const text = statement.trim()
    const exit = /^exit(?: (\d{1,3}))?$/.exec(text)
    if (exit) {
      if (exit[1]) run.exitCode = Number(exit[1]) % 256
      return run
    }
    const sleep = /^sleep (\d+(?:\.\d+)?)$/.exec(text)
    if (sleep) run.durationMs += Number(sleep[1]) * 1_000
    const echo = /^echo (.*?)( ?>&2)?$/.exec(text)
    if (echo) {
      const line = `${unquote(echo[1] ?? '')}\n`.slice(0, room)
      room -= line.length
      run.steps.push({ atMs: run.durationMs, stream: echo[2] ? 'stderr' : 'stdout', text: line })
    }
    if (text === 'false') run.exitCode = 1
    else if (sleep || echo || text === 'true') run.exitCode = 0
  }
  return run
}

function unquote(words: string): string {
  const found = /^(["'])(.*)\1$/.exec(words)
  return found?.[2] ?? words
}
