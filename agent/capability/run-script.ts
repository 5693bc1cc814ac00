/** The capability `script`: what must hold on this host before a script is accepted, and the files it needs. */
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { type ScriptTask, type Variable, VariableType } from '../../proto/index.js'
import { makeFile } from '../files.js'
import type { Intent } from '../journal/records.js'
import { type PolicyState, policyRefusal } from '../policy.js'
import {
  type Account,
  commandAs,
  findAccount,
  findProgram,
  loginCommand,
  ownAccount,
  STANDARD_PATH,
  type SwitchTools,
} from '../process/account.js'
import { commandFile, type ScriptCommand, VARIABLES } from '../process/command.js'
import { type Refusal, refuse } from '../task/refusal.js'
import { findLanguage, interpreterFor, type Language, SQL } from './language.js'
import { PRELUDE, preludeFor, SAID, SHELL } from './prelude.js'
import { checkArguments, checkEnvironment, checkSecretNames } from './script-input.js'
import { removeSecrets, secretVariable, writeSecrets } from './secret-files.js'
import { checkSql, noRunner, runnerInterpreter, runnerOptions } from './sql.js'
import { hasSqlRunner, unpackSqlRunner } from './sql-runner.js'
import { checkVariables, environmentOf, toFile } from './variables.js'

export interface ScriptHost {
  policy: PolicyState
  tools: SwitchTools
  /** PATH of the agent: where an interpreter is looked for after the standard places. */
  searchPath: string
  /** The agent's own file: the SQL runner is packed behind its code. */
  program: string
  /** Whether the script is to restart this host, which its policy may forbid. */
  isReboot: boolean
}

/** How a script will run here; made anew after a restart, because the host may have changed. */
export interface ScriptPlan {
  account: Account
  /** Whether that is the account that the agent runs as. */
  own: boolean
  language: Language
  interpreter: string[]
  workingDirectory: string
  login: boolean
}

/** Everything that can be known before a start. */
export async function planScript(task: ScriptTask, host: ScriptHost): Promise<ScriptPlan | Refusal> {
  const language = findLanguage(task.language)
  const invalid =
    checkArguments(task.arguments) ??
    checkEnvironment(task.environment) ??
    checkEnvironment(environmentOf(task.variables)) ??
    checkVariables(task.variables) ??
    checkSecretNames(task.secrets) ??
    checkSql(task)
  if (invalid) return refuse('task_invalid', invalid)
  if (!language)
    return refuse('capability_missing', `this agent does not know the language "${task.language}"`)
  const own = await ownAccount()
  const account = task.account === '' || task.account === own.name ? own : await findAccount(task.account)
  if (!account) return refuse('account_unknown', `there is no account "${task.account}" on this host`)
  const directory = await findWorkingDirectory(task, account)
  const forbidden = checkPolicy(host, { task, account, directory: directory ?? task.workingDirectory })
  if (forbidden) return forbidden
  if (directory === undefined) {
    return refuse('working_directory_missing', `"${task.workingDirectory}" is not a directory on this host`)
  }
  const isOwn = account.uid === own.uid
  if (!isOwn && (own.uid !== 0 || !commandAs(account, [], host.tools))) {
    const why =
      own.uid === 0
        ? 'the host has neither setpriv, runuser nor su'
        : `the agent runs as "${own.name}", not as root`
    return refuse('account_denied', `the agent may not run scripts as "${account.name}": ${why}`)
  }
  const interpreter = findInterpreter(language, host)
  if (!Array.isArray(interpreter)) return interpreter
  return { account, own: isOwn, language, interpreter, workingDirectory: directory, login: task.login }
}

function findInterpreter(language: Language, host: ScriptHost): string[] | Refusal {
  if (language === SQL) return hasSqlRunner(host.program) ? runnerInterpreter() : noRunner()
  const find = (name: string) => findProgram(name, `${STANDARD_PATH}:${host.searchPath}`)
  const missing = `install ${language.programs.join(' or ')} on this host to run ${language.name} scripts`
  return interpreterFor(language, find) ?? refuse('interpreter_missing', missing)
}

function checkPolicy(
  { policy: state, isReboot }: ScriptHost,
  seen: { task: ScriptTask; account: Account; directory: string },
): Refusal | undefined {
  if (!state.readable) {
    return refuse(
      'policy_unreadable',
      `the host's policy file cannot be trusted, so nothing runs: ${state.problem}`,
    )
  }
  const reason = policyRefusal(state.policy, {
    capability: isReboot ? 'reboot' : seen.task.language === SQL.name ? SQL.name : 'script',
    language: seen.task.language,
    account: seen.account.name,
    uid: seen.account.uid,
    workingDirectory: seen.directory,
  })
  return reason === undefined ? undefined : refuse('policy_refused', reason)
}

// An account without a home gets the root folder, as login(1) does; a directory that was asked for must exist.
async function findWorkingDirectory(task: ScriptTask, account: Account): Promise<string | undefined> {
  const isFolder = (path: string) =>
    stat(path).then(
      (entry) => entry.isDirectory(),
      () => false,
    )
  if (task.workingDirectory === '') return (await isFolder(account.home)) ? account.home : '/'
  const usable = isAbsolute(task.workingDirectory) && !task.workingDirectory.includes('\0')
  return usable && (await isFolder(task.workingDirectory)) ? task.workingDirectory : undefined
}

/** A name that nobody can guess, so that nobody can put something there first. */
export function newScriptFolder(root: string): string {
  return join(root, randomBytes(16).toString('hex'))
}

/** The SQL runner, in the folder of a task that needs it. */
const RUNNER = 'runner.cjs'

// For nobody but its owner, and never to be changed.
const SECRET_MODE = 0o400

/** What is laid down for a task, and where. */
export interface StagedFiles {
  folder: string
  content: Buffer
  /** As they hold on this host. */
  variables: readonly Variable[]
  secrets: { folder: string; values: ReadonlyMap<string, Uint8Array> } | undefined
  /** Folder of the commands that scripts find on their PATH. */
  tools: string
  /** The agent's own, which brings the SQL runner. */
  program: string
}

/**
 * Writes script and command file where only the account can read them. Not flushed: a crash of the agent loses nothing of it,
 * and after a crash of the host nothing is started.
 * @returns whether its shell will tell values of variables at its exit
 */
export async function stageScript(
  plan: ScriptPlan,
  task: ScriptTask,
  files: StagedFiles,
): Promise<{ captures: boolean }> {
  const { folder, variables, secrets } = files
  const script = scriptPath(plan, folder)
  const made = [folder]
  const make = (path: string, content: Uint8Array) => {
    makeFile(path, content, SECRET_MODE)
    made.push(path)
  }
  mkdirSync(folder, { mode: 0o700 })
  try {
    make(script, files.content)
    const runner = plan.language === SQL ? join(folder, RUNNER) : undefined
    if (runner) make(runner, unpackSqlRunner(files.program))
    const prelude = preludeFor({ language: plan.language.name, text: files.content, variables }, folder)
    if (prelude) make(join(folder, PRELUDE), prelude.text)
    if (prelude) made.push(...makeFolders(join(folder, SAID), join(folder, SAID, SHELL)))
    if (variables.length) made.push(...stageVariables(folder, variables))
    if (secrets) writeSecrets(secrets.folder, secrets.values, plan.own ? undefined : plan.account)
    const command = commandFile({
      interpreter: [
        ...plan.interpreter,
        ...(runner ? [runner, ...runnerOptions(task, secrets?.folder)] : []),
      ],
      prelude: prelude && { file: join(folder, PRELUDE), shell: plan.language.name },
      script,
      arguments: task.arguments,
      environment: environmentFor(task, files),
      folder,
      tools: files.tools,
      workingDirectory: plan.workingDirectory,
    })
    make(join(folder, 'command'), command)
    chmodSync(script, 0o500)
    if (!plan.own) for (const path of made) chownSync(path, plan.account.uid, plan.account.gid)
    return { captures: prelude?.captures ?? false }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    removeSecrets(secrets?.folder)
    throw error
  }
}

/** The values as files, for `drover-get`; and beside each, what `drover-set` must know of it. @returns what was made */
function stageVariables(folder: string, variables: readonly Variable[]): string[] {
  const root = join(folder, VARIABLES)
  const made = makeFolders(root)
  const make = (name: string, content: Uint8Array) => {
    makeFile(join(root, name), content, SECRET_MODE)
    made.push(join(root, name))
  }
  for (const variable of variables) {
    const { name, type, changeable } = variable
    make(name, toFile(variable))
    if (type === VariableType.VARIABLE_TYPE_STRING) make(`.${name}.string`, Buffer.alloc(0))
    if (type === VariableType.VARIABLE_TYPE_MAP) make(`.${name}.map`, Buffer.alloc(0))
    if (changeable) make(`.${name}.changeable`, Buffer.alloc(0))
  }
  return made
}

function makeFolders(...paths: string[]): string[] {
  for (const path of paths) mkdirSync(path, { mode: 0o700 })
  return paths
}

/** What a script is given, the step's own before the run's. The runner of SQL is told by its own words where its password is. */
function environmentFor(
  { environment, sql }: ScriptTask,
  { variables, secrets }: StagedFiles,
): Map<string, Uint8Array> {
  const given = Object.entries({ ...environmentOf(variables), ...environment })
  return new Map([...given, ...(sql ? [] : secretPaths(secrets))])
}

/** Where each secret is: the value itself stands in no environment, which other processes of the account could read. */
function secretPaths(secrets: StagedFiles['secrets']): [string, Uint8Array][] {
  return [...(secrets?.values.keys() ?? [])].map((name) => [
    secretVariable(name),
    Buffer.from(join(secrets?.folder ?? '', name)),
  ])
}

/** What the wrapper runs. The command file of an earlier version takes no words: another shell has to read it. */
export function scriptCommand(
  plan: ScriptPlan,
  staged: Pick<Intent, 'scriptFolder' | 'commandTakesWords'> | undefined,
  tools: SwitchTools,
): ScriptCommand {
  const file = join(staged?.scriptFolder ?? '', 'command')
  if (plan.own && !plan.login && staged?.commandTakesWords) return { file, words: [] }
  const inner = plan.login ? loginCommand(plan.account, file) : ['/bin/sh', file]
  return { file: undefined, words: plan.own ? inner : (commandAs(plan.account, inner, tools) ?? inner) }
}

/** What the script's environment starts from: nothing of the agent's own. */
export function baseEnvironment(account: Account): Record<string, string> {
  return {
    PATH: STANDARD_PATH,
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
  }
}

function scriptPath(plan: ScriptPlan, folder: string): string {
  return join(folder, `script${plan.language.extension}`)
}
