/** The capability `script`: what must hold on this host before a script is accepted, and the files it needs. */
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { ScriptTask } from '../../proto/index.js'
import { makeFile } from '../files.js'
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
import { commandFile } from '../process/command.js'
import { type Refusal, refuse } from '../task/refusal.js'
import { findLanguage, interpreterFor, type Language } from './language.js'
import { checkArguments, checkEnvironment } from './script-input.js'

export interface ScriptHost {
  policy: PolicyState
  tools: SwitchTools
  /** PATH of the agent: where an interpreter is looked for after the standard places. */
  searchPath: string
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
  const invalid = checkArguments(task.arguments) ?? checkEnvironment(task.environment)
  if (invalid) return refuse('task_invalid', invalid)
  const language = findLanguage(task.language)
  if (!language)
    return refuse('capability_missing', `this agent does not know the language "${task.language}"`)
  const own = await ownAccount()
  const account = task.account === '' || task.account === own.name ? own : await findAccount(task.account)
  if (!account) return refuse('account_unknown', `there is no account "${task.account}" on this host`)
  const directory = await findWorkingDirectory(task, account)
  const forbidden = checkPolicy(host.policy, { task, account, directory: directory ?? task.workingDirectory })
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
  const interpreter = interpreterFor(language, (name) =>
    findProgram(name, `${STANDARD_PATH}:${host.searchPath}`),
  )
  if (!interpreter) {
    return refuse(
      'interpreter_missing',
      `install ${language.programs.join(' or ')} on this host to run ${language.name} scripts`,
    )
  }
  return { account, own: isOwn, language, interpreter, workingDirectory: directory, login: task.login }
}

function checkPolicy(
  state: PolicyState,
  seen: { task: ScriptTask; account: Account; directory: string },
): Refusal | undefined {
  if (!state.readable) {
    return refuse(
      'policy_unreadable',
      `the host's policy file cannot be trusted, so nothing runs: ${state.problem}`,
    )
  }
  const reason = policyRefusal(state.policy, {
    capability: 'script',
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

// For nobody but its owner, and never to be changed.
const SECRET_MODE = 0o400

/**
 * Writes script and command file where only the account can read them. Not flushed: a crash of the agent loses nothing of it,
 * and after a crash of the host nothing is started.
 */
export async function stageScript(
  plan: ScriptPlan,
  task: ScriptTask,
  files: { folder: string; content: Uint8Array },
): Promise<void> {
  const { folder } = files
  const script = scriptPath(plan, folder)
  mkdirSync(folder, { mode: 0o700 })
  try {
    makeFile(script, files.content, SECRET_MODE)
    const command = commandFile({
      interpreter: plan.interpreter,
      script,
      arguments: task.arguments,
      environment: new Map(Object.entries(task.environment)),
      workingDirectory: plan.workingDirectory,
    })
    makeFile(join(folder, 'command'), command, SECRET_MODE)
    chmodSync(script, 0o500)
    if (!plan.own) {
      for (const path of [script, join(folder, 'command'), folder])
        chownSync(path, plan.account.uid, plan.account.gid)
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** The words that the wrapper runs. */
export function scriptCommand(plan: ScriptPlan, folder: string, tools: SwitchTools): string[] {
  const command = join(folder, 'command')
  const inner = plan.login ? loginCommand(plan.account, command) : ['/bin/sh', command]
  return plan.own ? inner : (commandAs(plan.account, inner, tools) ?? inner)
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
