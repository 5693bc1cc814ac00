/**
 * The host's own policy: a file of root's that has the last word over what may run here. It is read again whenever it
 * changes; one that cannot be trusted refuses all work, for ignoring it would open what it closes.
 */
import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import { isMissing } from './files.js'

export interface Policy {
  accounts?: string[]
  languages?: string[]
  /** Working directories must lie under one of these. */
  pathPrefixes?: string[]
  /** Nothing runs as root. */
  unprivileged?: true
  capabilities?: string[]
}

export type PolicyState = { readable: true; policy: Policy } | { readable: false; problem: string }

/** Says what a policy forbids about a task, or undefined. */
export function policyRefusal(
  policy: Policy,
  task: { capability: string; language: string; account: string; uid: number; workingDirectory: string },
): string | undefined {
  const forbids = (list: string[] | undefined, value: string) => list !== undefined && !list.includes(value)
  if (forbids(policy.capabilities, task.capability))
    return `capability "${task.capability}" is not allowed on this host`
  if (forbids(policy.languages, task.language))
    return `language "${task.language}" is not allowed on this host`
  if (forbids(policy.accounts, task.account)) return `account "${task.account}" is not allowed on this host`
  if (policy.unprivileged && task.uid === 0) return 'this host runs nothing as root'
  if (policy.pathPrefixes && !policy.pathPrefixes.some((prefix) => isUnder(task.workingDirectory, prefix))) {
    return `working directory "${task.workingDirectory}" is outside of what this host allows`
  }
  return undefined
}

function isUnder(path: string, prefix: string): boolean {
  const base = prefix.endsWith('/') ? prefix : `${prefix}/`
  const real = realpathOr(path)
  return real === base.slice(0, -1) || `${real}/`.startsWith(base)
}

function realpathOr(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** Reads the policy file when it changed; a missing file allows everything. */
export class PolicyFile {
  private readonly path: string
  private stamp = ''
  private state: PolicyState = { readable: true, policy: {} }

  constructor(path: string) {
    this.path = path
  }

  read(): PolicyState {
    let entry
    try {
      entry = lstatSync(this.path)
    } catch (error) {
      this.stamp = ''
      if (isMissing(error)) return { readable: true, policy: {} }
      return { readable: false, problem: (error as Error).message }
    }
    const stamp = `${entry.ino}/${entry.mtimeMs}/${entry.ctimeMs}/${entry.size}`
    if (stamp !== this.stamp) {
      this.state = this.load(entry)
      this.stamp = stamp
    }
    return this.state
  }

  private load(entry: { uid: number; mode: number; isFile(): boolean }): PolicyState {
    // An agent without root can have no root-owned file made for it by itself; its own account then stands for root.
    const trusted = entry.uid === 0 || entry.uid === process.getuid?.()
    if (!entry.isFile()) return { readable: false, problem: 'it is not a plain file' }
    if (!trusted) return { readable: false, problem: 'it is not owned by root' }
    if (entry.mode & 0o022) return { readable: false, problem: 'its group or everybody may write it' }
    try {
      return { readable: true, policy: parsePolicy(readFileSync(this.path, 'utf8')) }
    } catch (error) {
      return { readable: false, problem: (error as Error).message }
    }
  }
}

/** Throws on anything unknown: a misspelt key would silently allow. */
export function parsePolicy(text: string): Policy {
  const raw: unknown = JSON.parse(text)
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw new Error('it is not a JSON object')
  for (const [key, value] of Object.entries(raw)) {
    if (key === 'unprivileged' && value === true) continue
    const isList = Array.isArray(value) && value.every((entry) => typeof entry === 'string')
    if (!['accounts', 'languages', 'pathPrefixes', 'capabilities'].includes(key))
      throw new Error(`unknown key "${key}"`)
    if (!isList) throw new Error(`"${key}" must be a list of strings`)
  }
  return raw as Policy
}
