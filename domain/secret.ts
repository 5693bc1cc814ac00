/**
 * Secrets: named values that are written and never read again but by a script on its host. They have numbered versions; a
 * launch freezes which one a step is given.
 *
 *   enabled ⇄ disabled: nothing is given a disabled one, and it can come back
 *   either → destroyed: for good; its bytes are gone
 */
import { parseUse, publicName, type ScriptUse } from './script-library.js'

export const secretStates = ['enabled', 'disabled', 'destroyed'] as const
export type SecretState = (typeof secretStates)[number]

/** Of a value, in UTF-8. */
export const SECRET_MAX_BYTES = 64 * 1024

/** Of one step: all of their values travel in one order. */
export const STEP_SECRETS_MAX = 16

/** How a step names a secret: `db-password` is the newest enabled version at the launch, `db-password@3` that one. */
export function parseSecretUse(text: string): ScriptUse | undefined {
  const use = parseUse(text)
  return use && publicName(use.name) === undefined ? use : undefined
}

/** A version of a secret, as a launch froze it. */
export interface FrozenSecret {
  secret: string
  version: number
  /** Of the version's row: a number that came to mean another value would not have it. */
  id: string
}

export type SecretChange = 'enable' | 'disable' | 'destroy'

const become: Record<SecretChange, SecretState> = {
  enable: 'enabled',
  disable: 'disabled',
  destroy: 'destroyed',
}

/** What a version becomes by a change; undefined if its state does not allow it. A change that is done already is allowed. */
export function changeSecret(state: SecretState, change: SecretChange): SecretState | undefined {
  if (state === 'destroyed' && change !== 'destroy') return undefined
  return become[change]
}

/** @returns why a version cannot be given to a script, and what to do; undefined if it can */
export function whyNotGiven(state: SecretState): string | undefined {
  if (state === 'destroyed') return 'is destroyed: use another version'
  if (state === 'disabled') return 'is disabled: enable it, or use another version'
  return undefined
}
