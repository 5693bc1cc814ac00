/** Telling an error: what happened, what to do next, and how to find it in the server's log. */
import { DroverError } from '../sdk/index.js'
import { exitCodeOf, exitCodes } from './exit-code.js'
import type { Terminal } from './terminal.js'

/** A command that was written wrongly. */
export class UsageError extends Error {
  override name = 'UsageError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.usage) {
    super(message)
    this.exitCode = exitCode
  }
}

/** A command's end that is not an error of ours, with its exit code. */
export class Ended extends Error {
  override name = 'Ended'
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`ended with ${exitCode}`)
    this.exitCode = exitCode
  }
}

const nextCommand: Record<string, string> = {
  credential_missing: 'export DROVER_TOKEN=drt_…',
  credential_invalid: 'drover doctor',
  permission_denied: 'drover whoami',
  scope_unknown: 'drover whoami',
  execution_unknown: 'drover runs ls',
  host_unknown: 'drover hosts ls',
  group_unknown: 'drover groups ls',
  target_invalid: 'drover run --help',
  unavailable: 'drover doctor',
  internal: 'drover doctor',
}

/** @returns the exit code */
export function fail(terminal: Terminal, error: unknown): number {
  if (error instanceof Ended) return error.exitCode
  if (error instanceof UsageError) {
    terminal.talk(`error: ${error.message}`)
    return error.exitCode
  }
  if (error instanceof DroverError) {
    terminal.talk(`error: ${error.detail}`)
    const facts = [error.code, error.requestId && `request ${error.requestId}`].filter(Boolean).join(' · ')
    const next = nextCommand[error.code]
    terminal.talk(`       (${facts})${next ? `  next: ${next}` : ''}`)
    return exitCodeOf(error)
  }
  // Commander has told its own errors already.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')) {
    return error.message === '(outputHelp)' || ('exitCode' in error && error.exitCode === 0)
      ? exitCodes.ok
      : exitCodes.usage
  }
  terminal.talk(`error: ${error instanceof Error ? error.message : String(error)}`)
  return exitCodes.usage
}
