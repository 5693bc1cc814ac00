/** What a step does, in a word or two for a table. */
import type { JobContent } from '../sdk/index.js'
import { formatDuration } from './values.js'

export function stepText(step: JobContent['steps'][number]): string {
  if (step.type === 'sql') return `${step.uses ?? 'sql'} on ${step.dbAccount}`
  if (step.type === 'plan') return `plan ${step.plan}`
  if (step.type !== 'wait') return step.uses ?? step.language ?? 'bash'
  return step.durationMs === undefined
    ? `waits until ${step.until} ${step.zone}`
    : `waits ${formatDuration(step.durationMs)}`
}

/** The text of its own that a step has; empty where it has none. */
export function ownScript(step: JobContent['steps'][number] | undefined): string {
  if (step?.type === 'sql') return step.sql ?? ''
  return (step?.type !== 'wait' && step?.type !== 'plan' && step?.script) || ''
}
