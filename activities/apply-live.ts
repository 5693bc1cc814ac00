/** What each operation does to the rows of a run that goes on; the table of `domain/operation.ts` has let it pass. */
import { askedAgain } from '../domain/continuation.js'
import { summarize } from '../domain/host-result.js'
import { type OperationArgs, type OperationKind, retriedBy, unknownFault } from '../domain/operation.js'
import { hasHosts } from '../domain/step/step.js'
import { reopenHosts, resumeHosts, retryHosts } from '../store/postgres/attempts.js'
import {
  overrideStepState,
  setExecutionState,
  setStepState,
  type StepExecution,
} from '../store/postgres/executions.js'
import { sendHint } from '../store/postgres/hints.js'
import { clearPause, requestCancel, requestPause, skipStep } from '../store/postgres/operate.js'
import type { Operation } from '../store/postgres/operations.js'
import type { Db } from '../store/postgres/pool.js'
import { skipNamedHosts } from '../store/postgres/skipped-hosts.js'
import { endStep, ignoreFailures } from '../store/postgres/step-ends.js'
import type { Key } from './owner.js'

interface Live {
  key: Key
  steps: readonly StepExecution[]
  /** The step that has begun. */
  begun: StepExecution | undefined
  /** The step that is named. */
  named: StepExecution | undefined
  args: OperationArgs
  by: string
}

/** @returns why it cannot be done after all: nothing was changed then */
type Apply = (tx: Db, live: Live) => Promise<string | undefined>

const appliers: { [K in OperationKind]: Apply } = { cancel, pause, resume, retry, skip, ignore, next, undo }

/** @returns why it cannot be done after all, or undefined when it was */
export function applyLive(
  tx: Db,
  key: Key,
  steps: readonly StepExecution[],
  { kind, args, principal: by }: Operation,
): Promise<string | undefined> {
  const begun = steps.find((step) => ['running', 'waiting', 'paused'].includes(step.state))
  const named = args.step === undefined ? undefined : steps[args.step]
  return appliers[kind](tx, { key, steps, begun, named, args, by })
}

const at = (key: Key, step: StepExecution) => ({ ...key, stepExecutionId: step.id })

async function cancel(tx: Db, { key }: Live): Promise<undefined> {
  await requestCancel(tx, key)
}

async function pause(tx: Db, { key, begun, args, by }: Live): Promise<undefined> {
  await requestPause(tx, key, args.hard === true)
  await setExecutionState(tx, key, 'paused', `by ${by}`)
  if (begun) await setStepState(tx, at(key, begun), 'paused', `by ${by}`)
}

async function resume(tx: Db, { key, steps, begun, args }: Live): Promise<string | undefined> {
  const { scriptSha256 } = args
  const step =
    begun ?? (scriptSha256 === undefined ? undefined : steps.find(({ state }) => state === 'pending'))
  if (args.step !== undefined && step?.position !== args.step)
    return `step ${args.step + 1} is not the one that goes on${step ? `: that is step ${step.position + 1}` : ''}`
  const fault = editFault(args, step)
  if (fault) return fault
  // A hard pause ended those that waited at their agents: no script of theirs began.
  const resumed = step ? await resumeHosts(tx, key, step, scriptSha256) : 0
  if (scriptSha256 !== undefined && !resumed)
    return 'no host of the step is left to begin: retry those that ran with the edited script'
  await clearPause(tx, key)
  await setExecutionState(tx, key, 'running')
  if (begun) await setStepState(tx, at(key, begun), 'running')
  return undefined
}

async function retry(tx: Db, { key, steps, begun, args }: Live): Promise<string | undefined> {
  if (!begun || (!args.all && summarize(begun.counts).bad === 0))
    return 'no host of the running step has failed yet'
  const fault = unknownFault(args, begun.counts.unknown ?? 0) ?? editFault(args, begun)
  if (fault) return fault
  const states = retriedBy(args)
  const retried = await retryHosts(tx, key, begun, { states, scriptSha256: args.scriptSha256 })
  if (!retried)
    return `no host of the running step is in one of ${states.join(', ')}; unknown outcomes are retried only when asked for`
  for (const position of askedAgain(steps, begun.position)) {
    const step = steps[position]
    if (!step) continue
    await reopenHosts(tx, key, step)
    await overrideStepState(tx, at(key, step), 'pending')
  }
  return undefined
}

const editFault = ({ scriptSha256 }: OperationArgs, step: StepExecution | undefined) =>
  scriptSha256 !== undefined && step?.type === 'reboot'
    ? `step ${step.position + 1} is a reboot: it has no script to edit`
    : undefined

/** It is decided with its row: a run that is paused is cancelled for it, and undone when that has ended it. */
async function undo(): Promise<string> {
  return 'ask for it again'
}

async function skip(tx: Db, { key, named, args }: Live): Promise<string | undefined> {
  if (!named) return 'there is no such step'
  if (args.hosts !== undefined) return skipNamedHosts(tx, key, named, args.hosts)
  await skipStep(tx, key, named)
  return undefined
}

async function ignore(tx: Db, { key, named }: Live): Promise<string | undefined> {
  if (!named || !hasHosts[named.type]) return 'the step has no hosts that could fail'
  if (named.failureIgnored) return `failures of step ${named.position + 1} are ignored already`
  await ignoreFailures(tx, at(key, named))
  return undefined
}

async function next(tx: Db, { key, begun, by }: Live): Promise<string | undefined> {
  if (!begun) return 'no step has begun that could be left'
  if (begun.hosts) {
    await endStep(tx, at(key, begun), by)
  } else {
    await clearPause(tx, key)
    await skipStep(tx, key, begun)
    await setExecutionState(tx, key, 'running')
  }
  await sendHint(tx, 'flags', key.executionId)
  return undefined
}
