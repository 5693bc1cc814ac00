/** The script that an operation brings: from a file, or what its operator makes of the one that ran. */
import type { Drover, ExecutionDetail, Step } from '../sdk/index.js'
import { editText } from './editor.js'
import { UsageError } from './fail.js'
import { endingOf, readScript } from './script-input.js'

export interface EditedScript {
  script: string
  /** Whose it is, from 0. */
  step: number
  /** The editor was left without a change. */
  unchanged: boolean
  /** Where it is kept until it is forgotten. */
  file?: string
  forget(): void
}

interface Options {
  step?: number
  edit?: true
  file?: string
}

/** Undefined where the text stays as it is. @throws UsageError */
export async function editedScript(
  drover: Drover,
  executionId: string,
  { step: number, edit, file }: Options,
): Promise<EditedScript | undefined> {
  if (!edit && file === undefined) return undefined
  const step = stepOf(await drover.execution(executionId), number)
  const place = { step: step.position, unchanged: false, forget: () => {} }
  const given = file === undefined ? undefined : readScript([], { file }).script
  if (!edit) return { ...place, script: given ?? '' }
  const { content, language } = await latest(drover, executionId, step)
  const edited = editText(given ?? content, `r-${executionId}-${step.position + 1}${endingOf(language)}`)
  const unchanged = edited.text === content
  if (unchanged) edited.forget()
  return { ...place, script: edited.text, unchanged, file: edited.file, forget: () => edited.forget() }
}

const over = ['succeeded', 'skipped']

/** The step that is named; or the first that is neither done nor left out. @throws UsageError */
function stepOf({ id, steps }: ExecutionDetail, number: number | undefined): Step {
  if (number !== undefined) {
    const named = steps[number - 1]
    if (named) return named
    throw new UsageError(`r-${id} has no step ${number}`)
  }
  const open = steps.filter((step) => step.hosts && !over.includes(step.state))
  const [step] = open.filter(({ state }) => state !== 'ignored').concat(open)
  const [only, ...others] = steps.filter(({ hosts }) => hosts)
  if (step) return step
  if (only && !others.length) return only
  throw new UsageError('say whose script is edited: --step N')
}

/** What the hosts that are to run again ran last; an operation may have given them another text before. */
async function latest(drover: Drover, executionId: string, step: Step) {
  for await (const host of drover.executionHosts(executionId, step.position))
    if (!over.includes(host.state))
      return drover.stepScript(executionId, step.position, { hostId: host.hostId })
  return drover.stepScript(executionId, step.position)
}
