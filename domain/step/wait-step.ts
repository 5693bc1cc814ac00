/** Steps that wait: for a while, or until a time in a zone. No host has a part in them. */
import { Cron } from 'croner'
import { PlatformError } from '../errors.js'
import type { CompiledStep } from './step.js'
import type { WaitStepInput } from './wait-step.schema.js'

export interface CompiledWaitStep {
  type: 'wait'
  name: string
  durationMs?: number | undefined
  until?: string | undefined
  zone?: string | undefined
  when?: string | undefined
}

/** @throws PlatformError plan_invalid */
export function compileWaitStep(step: WaitStepInput, where: string): CompiledWaitStep {
  try {
    if (!isDate(step.until)) throw new Error('no such date')
    wakeTime(step, new Date(0))
  } catch {
    throw new PlatformError(
      'plan_invalid',
      `${where}: there is no time ${step.until} in the zone ${step.zone}`,
    )
  }
  return step
}

/** A day that there is, where one is named: 2026-02-31 would be taken for the third of March. */
function isDate(until: string | undefined): boolean {
  if (!until?.includes('T')) return true
  const [date = ''] = until.split('T')
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date)
}

/**
 * Refuses waits that take longer than the run's orders are good for: every host of the steps after them would be told that it
 * came too late.
 * @throws PlatformError plan_invalid
 */
export function checkWaits(steps: readonly CompiledStep[], now: Date, expiresInMs: number): void {
  let at = now
  for (const step of steps) if (step.type === 'wait') at = wakeTime(step, at)
  const waitMs = at.getTime() - now.getTime()
  if (waitMs < expiresInMs) return
  const hours = (ms: number) => `${Math.round(ms / 360_000) / 10} h`
  throw new PlatformError(
    'plan_invalid',
    `the waits of the plan end ${hours(waitMs)} from now at the earliest, and orders of the run are good for ${hours(expiresInMs)}: raise expiresInMs (--expires), or wait less`,
  )
}

/**
 * When a wait that begins at `from` is over. A time of day that a change of clocks leaves out is the next one that there is;
 * a date that has passed is over at once.
 */
export function wakeTime({ durationMs, until, zone }: CompiledWaitStep, from: Date): Date {
  if (until === undefined || zone === undefined) return new Date(from.getTime() + (durationMs ?? 0))
  const [date, time] = until.includes('T') ? until.split('T') : [undefined, until]
  const [hours = '0', minutes = '0', seconds = '0'] = time?.split(':') ?? []
  const pattern =
    date === undefined
      ? `${Number(seconds)} ${Number(minutes)} ${Number(hours)} * * *`
      : `${date}T${hours}:${minutes}:${seconds.padStart(2, '0')}`
  return new Cron(pattern, { timezone: zone }).nextRun(from) ?? from
}
