/** Taking an order on: the checks of the real agent, but for those that need its disk, accounts and interpreters. */
import { findLanguage } from '../capability/language.js'
import { checkArguments, checkEnvironment } from '../capability/script-input.js'
import { type Dispatch, type DispatchOrder, type ScriptTask, sha256 } from '../../proto/index.js'
import { checkOrder, decodeSpec, type OrderContext } from '../task/order.js'
import { type Refusal, refuse } from '../task/refusal.js'
import { checkSealed } from '../task/secrets.js'

export interface Accepted {
  script: ScriptTask
  content: Buffer
}

/** @param fetchScript gets a text that was too large for the dispatch */
export async function acceptOrder(
  dispatch: Dispatch,
  order: DispatchOrder,
  context: OrderContext,
  fetchScript: (digest: Buffer, bytes: number) => Promise<Buffer>,
): Promise<Accepted | Refusal> {
  const wrong = checkOrder(dispatch, order, context)
  if (wrong) return wrong
  const task = decodeSpec(dispatch.spec)?.task
  if (!task) return refuse('capability_missing', 'this agent does not know that kind of task; upgrade it')
  if (task.$case === 'reboot') return refuse('capability_missing', 'a simulated host has nothing to restart')
  // Nothing is run, so nothing is opened; but an order without its secrets is none here either.
  const unsealed = checkSealed(dispatch, order, task)
  if (unsealed) return unsealed
  const script = task.value
  const invalid = checkArguments(script.arguments) ?? checkEnvironment(script.environment)
  if (invalid) return refuse('task_invalid', invalid)
  if (!findLanguage(script.language))
    return refuse('capability_missing', `this agent does not know the language "${script.language}"`)
  const content = await readContent(dispatch, script, fetchScript).catch((error: unknown) =>
    refuse('script_unavailable', `the script's text could not be fetched: ${(error as Error).message}`),
  )
  if (!Buffer.isBuffer(content)) return content
  if (sha256(content).equals(script.scriptSha256)) return { script, content }
  return refuse('script_unavailable', "the script's text is not the one that was signed")
}

async function readContent(
  dispatch: Dispatch,
  script: ScriptTask,
  fetchScript: (digest: Buffer, bytes: number) => Promise<Buffer>,
): Promise<Buffer> {
  if (dispatch.content.length > 0 || script.scriptBytes === 0) return Buffer.from(dispatch.content)
  return fetchScript(script.scriptSha256, script.scriptBytes)
}
