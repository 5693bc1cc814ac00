/** Steps that restart hosts, and go on when they are back under another boot id. */
import { GRACE_DEFAULT_MS } from '../script.js'
import type { OnFailure } from '../step-execution.js'
import type { RebootStepInput } from './reboot-step.schema.js'
import type { Targeted } from './take.js'
import { checkAccount, type ScriptSources, type StepText, textOf } from './script-step.js'

export interface CompiledRebootStep extends StepText, Targeted {
  type: 'reboot'
  name: string
  account: string
  timeoutMs: number
  graceMs: number
  onFailure: OnFailure
  concurrency: number | string | undefined
  when?: string | undefined
  /** It has none of these. */
  secrets?: undefined
  retry?: undefined
  undoes?: undefined
}

/** The command is the host's own; the agent knows by the kind of the task what to wait for. */
const TEXT = '# The command that this host is restarted by.\nexec /bin/sh -c "$DROVER_REBOOT_COMMAND"\n'

/** @throws PlatformError plan_invalid */
export function compileRebootStep(
  step: RebootStepInput,
  where: string,
  sources: ScriptSources,
): CompiledRebootStep {
  checkAccount(step.account, where)
  const text = textOf({ text: TEXT, uses: undefined, language: 'sh' }, where, sources)
  return { ...step, ...text, graceMs: GRACE_DEFAULT_MS, concurrency: step.concurrency }
}
