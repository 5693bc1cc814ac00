/**
 * The script library: named scripts with numbered versions.
 *
 *   draft → online ⇄ offline: publishing a version takes the former online one offline
 *   any of them → disabled: for good; whatever cites it starts no more
 */
import { NAME } from './name.js'

export const versionStates = ['draft', 'online', 'offline', 'disabled'] as const
export type VersionState = (typeof versionStates)[number]

export type VersionChange = 'edit' | 'publish' | 'disable' | 'remove'

const allowedFrom: Record<VersionChange, readonly VersionState[]> = {
  edit: ['draft'],
  publish: ['draft', 'offline'],
  disable: ['draft', 'online', 'offline'],
  remove: ['draft', 'offline', 'disabled'],
}

const advice: Record<VersionChange, string> = {
  edit: 'make a new version from it',
  publish: 'publish another one, or make a new version from it',
  disable: 'there is nothing to do',
  remove: 'publish another version first, or disable it',
}

/** @returns why a version in `state` cannot be changed so, and what to do instead; undefined if it can */
export function whyNotChange(state: VersionState, change: VersionChange): string | undefined {
  if (allowedFrom[change].includes(state)) return undefined
  return `it is ${state} and cannot be ${past[change]}: ${advice[change]}`
}

const past: Record<VersionChange, string> = {
  edit: 'edited',
  publish: 'published',
  disable: 'disabled',
  remove: 'removed',
}

/** Before the name of a script that every scope may use: `public/deploy`. No name of a script has the slash. */
const PUBLIC = 'public/'

/** How the public script of that name is named outside its library. */
export const publicUse = (name: string) => PUBLIC + name

/** The name of a public script in its library; undefined where a scope's own is meant. */
export function publicName(used: string): string | undefined {
  return used.startsWith(PUBLIC) ? used.slice(PUBLIC.length) : undefined
}

/** How a step names a script: `deploy` is the version that is online at the launch, `deploy@3` that one. */
export interface ScriptUse {
  /** `deploy`, or `public/deploy`. */
  name: string
  version: number | undefined
}

const use = new RegExp(`^((?:${PUBLIC})?${NAME})(?:@([1-9][0-9]{0,5}))?$`)

/** Undefined if it names none. */
export function parseUse(text: string): ScriptUse | undefined {
  const found = use.exec(text)
  const name = found?.[1]
  if (!name) return undefined
  return { name, version: found[2] === undefined ? undefined : Number(found[2]) }
}

/** @returns why a version cannot be run, and what to do; undefined if it can. */
export function whyNotRun(state: VersionState): string | undefined {
  if (state === 'disabled') return 'is disabled: use another version'
  if (state === 'draft') return 'is a draft: publish it, or run its text'
  return undefined
}
