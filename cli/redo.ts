/** `drover runs redo`: a run again, as it was or edited. */
import { parse, stringify } from 'yaml'
import type { Launch, LaunchAgain } from '../sdk/index.js'
import { editText } from './editor.js'
import { UsageError } from './fail.js'
import { shortSteps, YAML_LAYOUT } from './job-file.js'
import { type LaunchOptions, launchAndFollow } from './run.js'
import { connect } from './settings.js'
import { readTarget } from './target-input.js'
import type { Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface RedoOptions extends LaunchOptions {
  target?: string
  sameHosts?: true
  edit?: true
}

export async function redo(terminal: Terminal, run: string, options: RedoOptions): Promise<void> {
  if (options.target !== undefined && options.sameHosts)
    throw new UsageError('give a target, or --same-hosts')
  const drover = connect()
  const executionId = parseRun(run)
  const { target, plan } = await drover.launchAgain(executionId)
  const hosts = options.sameHosts ? `run:${executionId}` : target
  const again = { target: options.target === undefined ? hosts : readTarget(options.target), plan }
  const launch = { ...(options.edit ? edit(again, executionId) : again), confirm: options.confirm }
  await launchAndFollow(terminal, drover, launch as Launch, options)
}

/** In the editor as a document like a job's. @throws UsageError */
function edit({ target, plan }: LaunchAgain, executionId: string): LaunchAgain {
  const document = stringify({ target, name: plan.name, steps: shortSteps(plan.steps) }, YAML_LAYOUT)
  const edited = editText(document, `r-${executionId}.yaml`)
  try {
    const {
      target: to,
      name,
      steps: changed,
    } = parse(edited.text, { maxAliasCount: 0 }) as Record<string, unknown>
    const launch = { target: to, plan: { name, steps: changed } } as LaunchAgain
    edited.forget()
    return launch
  } catch (error) {
    throw new UsageError(`what you wrote cannot be read, it is kept in ${edited.file}: ${String(error)}`)
  }
}
