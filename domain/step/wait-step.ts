/** Steps that wait: for a while, or until a time in a zone. No host has a part in them. */
import { Cron } from 'croner'
import { PlatformError } from '../errors.js'
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
    wakeTime(step, new Date(0))
  } catch {
    throw new PlatformError(
      'plan_invalid',
      `${where}: there is no time ${step.until} in the zone ${step.zone}`,
    )
  }
  return step
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
