/** What a step does, in a word or two for a table. */
import type { JobContent } from '../sdk/index.js'
import { formatDuration } from './values.js'

export function stepText(step: JobContent['steps'][number]): string {
  if (step.type === 'sql') return `${step.uses ?? 'sql'} on ${step.dbAccount}`
  if (step.type === 'plan') return `plan ${step.plan}`
  if (step.type === 'reboot') return 'restarts the host'
  if (step.type !== 'wait') return step.uses ?? step.language ?? 'bash'
  return step.durationMs === undefined
    ? `waits until ${step.until} ${step.zone}`
    : `waits ${formatDuration(step.durationMs)}`
}

type Step = JobContent['steps'][number]

/** The text of its own that a step has; empty where it has none. */
export function ownScript(step: Step | undefined): string {
  return (step && hasText(step) && ownText(step)) || ''
}

/** The same of what takes the step back. */
export function ownUndo(step: Step | undefined): string {
  return (step && hasText(step) && step.undo && ownText(step.undo)) || ''
}

type TextStep = Exclude<Step, { type: 'wait' | 'reboot' | 'plan' }>

const hasText = (step: Step): step is TextStep =>
  step.type !== 'wait' && step.type !== 'reboot' && step.type !== 'plan'

function ownText(part: { type?: 'script'; script?: string } | { type: 'sql'; sql?: string }): string {
  return (part.type === 'sql' ? part.sql : part.script) ?? ''
}
