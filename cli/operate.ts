/** `drover runs cancel | pause | resume | retry | skip | ignore | next | undo`, and `cancel-all`. */
import { type CancelFilter, DroverError } from '../sdk/index.js'
import { ask } from './ask.js'
import { editedScript } from './edited-script.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'
import { connect } from './settings.js'
import type { Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface OperateOptions {
  hard?: true
  /** retry: hosts that succeeded, too. */
  all?: true
  /** How many hosts with an unknown outcome to retry, too. */
  includeUnknown?: number
  /** undo: how many of these to leave out. */
  leaveOutUnknown?: number
  /** From 1, as people count. */
  step?: number
  /** skip: only these. */
  host?: string[]
  /** Retried or resumed hosts run what is written in an editor, or what a file holds. */
  edit?: true
  file?: string
  why?: string
  idempotencyKey?: string
  json?: true
}

const done = {
  cancel: 'is being cancelled',
  pause: 'is paused',
  resume: 'goes on',
  retry: 'runs its failed hosts again',
  skip: 'goes past the step',
  ignore: 'does not end by failures of the step',
  next: 'goes on with the next step',
  undo: 'is being undone',
} as const

export async function operate(
  terminal: Terminal,
  kind: keyof typeof done,
  run: string,
  options: OperateOptions,
): Promise<void> {
  const executionId = parseRun(run)
  if (options.includeUnknown && options.leaveOutUnknown)
    throw new UsageError('give --include-unknown or --leave-out-unknown: a host is undone or it is not')
  const drover = connect()
  const edited = await editedScript(drover, executionId, options)
  if (edited?.unchanged) return terminal.talk('unchanged: nothing was done; without --edit it runs as it was')
  const { step, host, why } = options
  const request = {
    kind,
    ...(options.hard ? { hard: true } : {}),
    ...(options.all ? { all: true } : {}),
    ...(options.includeUnknown ? { includeUnknown: true, unknownHosts: options.includeUnknown } : {}),
    ...(options.leaveOutUnknown ? { includeUnknown: false, unknownHosts: options.leaveOutUnknown } : {}),
    ...(step === undefined ? {} : { step: step - 1 }),
    ...(edited ? { script: edited.script, step: edited.step } : {}),
    ...(host?.length ? { hosts: host } : {}),
    ...(why === undefined ? {} : { why }),
  }
  const operation = await drover
    .operate(executionId, request, { idempotencyKey: options.idempotencyKey })
    .catch((error: unknown) => {
      if (edited?.file) terminal.talk(`what you wrote is kept: drover runs ${kind} … --file ${edited.file}`)
      throw error
    })
  edited?.forget()
  if (options.json) return terminal.json({ run: `r-${executionId}`, operation })
  const what = host?.length ? 'leaves these hosts out' : options.all ? 'runs all its hosts again' : done[kind]
  terminal.talk(`r-${executionId} ${what}; follow it with: drover runs watch r-${executionId}`)
}

interface CancelAllOptions {
  state?: string
  name?: string
  by?: string
  /** ms */
  olderThan?: number
  confirm?: number
  why?: string
  idempotencyKey?: string
  json?: true
}

export async function cancelAll(terminal: Terminal, options: CancelAllOptions): Promise<void> {
  const { state, name, by, olderThan, confirm, why } = options
  const filter = {
    ...(state === undefined ? {} : { states: state.split(',') }),
    ...(name === undefined ? {} : { name }),
    ...(by === undefined ? {} : { launchedBy: by }),
    ...(olderThan === undefined ? {} : { olderThanMs: olderThan }),
    ...(confirm === undefined ? {} : { confirm }),
    ...(why === undefined ? {} : { why }),
  }
  // The server knows the states, and says which they are.
  const items = await cancelConfirmed(filter as CancelFilter, options.idempotencyKey)
  const runs = items.map((item) => `r-${item.executionId}`)
  if (options.json) return terminal.json({ runs })
  for (const run of runs) terminal.data(run)
  terminal.talk(`${runs.length} ${runs.length === 1 ? 'run is' : 'runs are'} being cancelled`)
}

/** Asks a person for the number where it was not said. @throws UsageError */
async function cancelConfirmed(filter: CancelFilter, idempotencyKey: string | undefined) {
  const drover = connect()
  try {
    return await drover.cancelMany(filter, { idempotencyKey })
  } catch (error) {
    const runs = error instanceof DroverError ? error.details['runs'] : undefined
    if (typeof runs !== 'number' || filter.confirm !== undefined) throw error
    const answer = await ask(`This cancels ${runs} ${runs === 1 ? 'run' : 'runs'}. Type ${runs} to go on: `)
    if (answer === undefined) throw error
    if (answer.trim() !== String(runs))
      throw new UsageError(`"${answer.trim()}" is not ${runs}: nothing was cancelled`, exitCodes.refused)
    return drover.cancelMany({ ...filter, confirm: runs }, { idempotencyKey })
  }
}
