/** `drover run` and `drover runs watch`: launch, follow, fold. */
import { DroverError, type Drover, type Execution, type Launch } from '../sdk/index.js'
import { ask } from './ask.js'
import { exitCodes, exitCodeOfRun } from './exit-code.js'
import { UsageError } from './fail.js'
import { followRun } from './follow-run.js'
import { showPreview } from './preview.js'
import { readScript } from './script-input.js'
import { connect } from './settings.js'
import { isSql, type SqlOptions, sqlStepOf } from './sql-launch.js'
import { printSummary, summaryOf } from './summary.js'
import { readValues } from './job-file.js'
import { readSecretFile } from './secret-value.js'
import { readTarget } from './target-input.js'
import type { Terminal } from './terminal.js'
import { hostsText, parseJob, parsePair, parseRun } from './values.js'

/** How something is launched, whatever it is. */
export interface LaunchOptions {
  confirm?: number
  preview?: true
  digest?: string
  detach?: true
  /** Called once it is launched. */
  onStart?: () => void
  idempotencyKey?: string
  json?: true
}

export interface RunOptions extends LaunchOptions, SqlOptions {
  target?: string
  concurrency?: number | string
  timeout?: number
  as?: string
  login?: true
  lang?: string
  cwd?: string
  env: string[]
  secret: string[]
  secretFile: string[]
  name?: string
  file?: string
  script?: string
  job?: string
  set: string[]
  values?: string
  /** ms */
  expires?: number
}

export async function run(terminal: Terminal, words: string[], options: RunOptions): Promise<void> {
  const drover = connect()
  const request = launchOf(words, options)
  if (request.job && options.set.length) await refuseShown(drover, request.job, options.set)
  await launchAndFollow(terminal, drover, request, options)
}

/** What stands on a command line is no secret any more: nothing is made of it. @throws UsageError */
async function refuseShown(
  drover: Drover,
  job: { name: string; plan: string },
  set: readonly string[],
): Promise<void> {
  const { variables } = await drover.plan(job.name, job.plan)
  const shown = set
    .map((pair) => parsePair(pair)[0])
    .find((name) => variables.some((one) => one.name === name && one.type === 'secret'))
  if (shown === undefined) return
  throw new UsageError(
    `${shown} is a secret, and command lines can be read by everybody on this machine: take another value, and give it with --secret-file ${shown}=PATH, or name a secret with --secret ${shown}=NAME`,
  )
}

export async function launchAndFollow(
  terminal: Terminal,
  drover: Drover,
  request: Launch,
  options: LaunchOptions,
): Promise<void> {
  if (options.preview) return showPreview(terminal, drover, request, options)
  const launched = await launch(terminal, drover, request, options)
  options.onStart?.()
  const execution = { ...launched, run: `r-${launched.id}` }
  if (options.detach) {
    if (options.json) terminal.json({ execution })
    else terminal.data(execution.run)
    return
  }
  if (!options.json) terminal.talk(`${execution.run} on ${hostsText(launched.hosts)}`)
  await follow(terminal, drover, launched.id, options)
}

export async function watch(terminal: Terminal, run: string, options: { json?: true }): Promise<void> {
  await follow(terminal, connect(), parseRun(run), options)
}

async function follow(
  terminal: Terminal,
  drover: Drover,
  executionId: string,
  options: { json?: true },
): Promise<void> {
  const ended = await followRun(terminal, drover, executionId, options.json ?? false)
  const summary = await summaryOf(drover, ended)
  process.exitCode = exitCodeOfRun(ended)
  if (options.json) terminal.json({ ...summary, exitCode: process.exitCode })
  else printSummary(terminal, summary)
}

/** @throws UsageError */
export function launchOf(words: string[], options: RunOptions): Launch {
  if (options.file === '-' && options.target === '-')
    throw new UsageError('standard input can be the target or the script, not both')
  const rest = {
    ...(options.target === undefined ? {} : { target: readTarget(options.target) }),
    ...(options.confirm === undefined ? {} : { confirm: options.confirm }),
    ...(options.expires === undefined ? {} : { expiresInMs: options.expires }),
  }
  if (options.job !== undefined)
    return {
      ...planOf(options.job, words, options),
      ...valuesOf(options),
      ...rest,
    }
  if (options.set.length || options.values !== undefined || options.secretFile.length)
    throw new UsageError(
      '--set, --values and --secret-file are for plans of jobs; a script gets its values by --env and --secret',
    )
  const common = commonOf(options)
  if (isSql(options)) return { sql: { ...sqlStepOf(words, options), ...common }, ...rest }
  const script = {
    ...sourceOf(words, options),
    ...common,
    environment: Object.fromEntries(options.env.map(parsePair)),
    ...(options.secret.length ? { secrets: Object.fromEntries(options.secret.map(parsePair)) } : {}),
    ...(options.cwd === undefined ? {} : { workingDirectory: options.cwd }),
    ...(options.login ? { login: true } : {}),
  }
  // The server knows the languages, and says which they are.
  return { script: script as NonNullable<Launch['script']>, ...rest }
}

/** Values of variables, those on the command line before those of the file. @throws UsageError */
function valuesOf({ set, values, secret, secretFile }: RunOptions): Pick<Launch, 'variables'> {
  const files = secretFile.map(parsePair)
  if (files.filter(([, file]) => file === '-').length > 1)
    throw new UsageError('standard input can be the value of one secret')
  const given = {
    ...(values === undefined ? {} : readValues(values)),
    ...Object.fromEntries(set.map(parsePair)),
    ...Object.fromEntries(secret.map(parsePair).map(([name, use]) => [name, { secret: use }])),
    ...Object.fromEntries(files.map(([name, file]) => [name, readSecretFile(file)])),
  }
  return Object.keys(given).length ? { variables: given } : {}
}

/** What steps of every kind have. */
function commonOf({ name, as, timeout, concurrency }: RunOptions) {
  return {
    ...(name === undefined ? {} : { name }),
    ...(as === undefined ? {} : { account: as }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(concurrency === undefined ? {} : { concurrency }),
  }
}

/** A plan has all that it needs. @throws UsageError */
function planOf(text: string, words: string[], options: RunOptions): { job: { name: string; plan: string } } {
  const { job: name, plan } = parseJob(text)
  if (plan === undefined)
    throw new UsageError(`"${text}" is not a plan; write deploy-site/staging (see: drover jobs ls)`)
  const { script, file, lang, cwd, as, login, timeout, concurrency, env } = options
  const own = [script, file, lang, cwd, as, login, timeout, concurrency].some((value) => value !== undefined)
  if (own || isSql(options) || env.length || words.length)
    throw new UsageError('--job runs a plan as it is: leave out the command and the options of a step')
  return { job: { name, plan } }
}

/** A script of the library with its arguments, or a text of the user's own. @throws UsageError */
function sourceOf(words: string[], { script, ...options }: RunOptions) {
  if (script === undefined) return readScript(words, options)
  if (options.file !== undefined || options.lang !== undefined)
    throw new UsageError('--script names a script of the library; leave out --file and --lang')
  return { uses: script, arguments: words }
}

async function launch(
  terminal: Terminal,
  drover: Drover,
  wanted: Launch,
  options: LaunchOptions,
): Promise<Execution> {
  const request = options.digest === undefined ? wanted : { ...wanted, digest: options.digest }
  try {
    return await drover.launch(request, { idempotencyKey: options.idempotencyKey })
  } catch (error) {
    if (!(error instanceof DroverError)) throw error
    if (error.code === 'target_empty') suggestName(terminal, request.target ?? '')
    const hosts = error.details['hosts']
    if (error.code !== 'confirmation_required' || typeof hosts !== 'number' || options.confirm !== undefined)
      throw error
    const answer = await ask(`This runs on ${hosts} hosts. Type ${hosts} to go on: `)
    if (answer === undefined) throw error
    if (answer.trim() !== String(hosts))
      throw new UsageError(`"${answer.trim()}" is not ${hosts}: nothing was started`, exitCodes.refused)
    return drover.launch({ ...request, confirm: hosts }, { idempotencyKey: options.idempotencyKey })
  }
}

/** A bare word is a label in the grammar, but a host in most people's minds. */
function suggestName(terminal: Terminal, target: string): void {
  if (/^[A-Za-z0-9._[\],-]+$/.test(target))
    terminal.talk(`hint: "${target}" asks for hosts with that label; a host is -t name:${target}`)
}
