/** `drover runs redo`: a run again, as it was or edited. */
import { readFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import type { Drover, Launch, LaunchAgain } from '../sdk/index.js'
import { type EditedText, editText } from './editor.js'
import { UsageError } from './fail.js'
import { compactVariable, shortSteps, YAML_LAYOUT, yamlFault } from './job-file.js'
import { type LaunchOptions, launchAndFollow } from './run.js'
import { connect } from './settings.js'
import { readTarget } from './target-input.js'
import type { Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface RedoOptions extends LaunchOptions {
  target?: string
  sameHosts?: true
  edit?: true
  /** A document that --edit has left. */
  file?: string
}

export async function redo(terminal: Terminal, run: string, options: RedoOptions): Promise<void> {
  if (options.target !== undefined && options.sameHosts)
    throw new UsageError('give a target, or --same-hosts')
  const drover = connect()
  const executionId = parseRun(run)
  const again = await againOf(drover, executionId, options)
  if (!options.edit) return launch(terminal, drover, again, options)
  const before = documentOf(again)
  const edited = editText(before, `r-${executionId}.yaml`)
  if (edited.text === before && !options.file) {
    edited.forget()
    return terminal.talk(`unchanged: nothing was started; without --edit it starts as it was`)
  }
  await launchEdited(terminal, drover, edited, options)
}

/** What somebody wrote is forgotten once it has started, and not before. */
async function launchEdited(
  terminal: Terminal,
  drover: Drover,
  edited: EditedText,
  options: RedoOptions,
): Promise<void> {
  const kept = `what you wrote is kept: drover runs redo … --file ${edited.file}`
  let started = false
  try {
    const onStart = () => {
      started = true
    }
    await launch(terminal, drover, readDocument(edited.text, edited.file), { ...options, onStart })
  } finally {
    if (started) edited.forget()
    else terminal.talk(kept)
  }
}

async function launch(
  terminal: Terminal,
  drover: Drover,
  again: LaunchAgain,
  options: RedoOptions,
): Promise<void> {
  const confirm = options.confirm === undefined ? {} : { confirm: options.confirm }
  await launchAndFollow(terminal, drover, { ...again, ...confirm } as Launch, options)
}

/** The run as it was or as a file has it, on the hosts that are wanted. */
async function againOf(drover: Drover, executionId: string, options: RedoOptions): Promise<LaunchAgain> {
  const { file, target, sameHosts } = options
  if (file !== undefined && sameHosts)
    throw new UsageError('--same-hosts is for a run as it was; in a document write targets as run:812/1')
  const again =
    file === undefined
      ? await drover.launchAgain(executionId, sameHosts ? { sameHosts } : {})
      : readDocument(readFileSync(file, 'utf8'), file)
  return target === undefined ? again : { ...again, target: readTarget(target) }
}

function documentOf({ target, expiresInMs, secretsOf, plan }: LaunchAgain): string {
  const variables = plan.variables?.length ? { variables: plan.variables.map(compactVariable) } : {}
  return stringify(
    {
      ...(target === undefined ? {} : { target }),
      expiresInMs,
      ...(secretsOf === undefined ? {} : { secretsOf }),
      name: plan.name,
      ...variables,
      steps: shortSteps(plan.steps),
    },
    YAML_LAYOUT,
  )
}

/** @throws UsageError */
function readDocument(text: string, file: string): LaunchAgain {
  let document: Record<string, unknown>
  try {
    document = parse(text, { maxAliasCount: 0 }) as Record<string, unknown>
  } catch (error) {
    throw new UsageError(yamlFault(file, error))
  }
  const { target, expiresInMs, secretsOf, name, variables, steps, ...rest } = document ?? {}
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw new UsageError(
      `${file}: there is no field "${unknown}"; there are target, expiresInMs, secretsOf, name, variables, steps`,
    )
  const secrets = secretsOf === undefined ? {} : { secretsOf }
  return {
    target,
    expiresInMs,
    ...secrets,
    plan: { name, ...(variables ? { variables } : {}), steps },
  } as LaunchAgain
}
