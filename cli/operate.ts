/** `drover runs cancel | pause | resume | retry | skip`. */
import { connect } from './settings.js'
import type { Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface OperateOptions {
  hard?: true
  /** How many hosts with an unknown outcome to retry, too. */
  includeUnknown?: number
  /** From 1, as people count. */
  step?: number
  idempotencyKey?: string
  json?: true
}

const done = {
  cancel: 'is being cancelled',
  pause: 'is paused',
  resume: 'goes on',
  retry: 'runs its failed hosts again',
  skip: 'goes past the step',
} as const

export async function operate(
  terminal: Terminal,
  kind: keyof typeof done,
  run: string,
  options: OperateOptions,
): Promise<void> {
  const executionId = parseRun(run)
  const operation = await connect().operate(
    executionId,
    {
      kind,
      ...(options.hard ? { hard: true } : {}),
      ...(options.includeUnknown ? { includeUnknown: true, unknownHosts: options.includeUnknown } : {}),
      ...(options.step === undefined ? {} : { step: options.step - 1 }),
    },
    { idempotencyKey: options.idempotencyKey },
  )
  if (options.json) return terminal.json({ run: `r-${executionId}`, operation })
  terminal.talk(`r-${executionId} ${done[kind]}; follow it with: drover runs watch r-${executionId}`)
}
