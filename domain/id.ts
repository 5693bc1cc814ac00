/** Ids: bigint identities of the database, carried as decimal strings; the brand keeps one noun's id from another's. */

declare const brand: unique symbol
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

export type ScopeId = Brand<string, 'ScopeId'>
export type PrincipalId = Brand<string, 'PrincipalId'>
export type HostId = Brand<string, 'HostId'>
export type ExecutionId = Brand<string, 'ExecutionId'>
export type StepExecutionId = Brand<string, 'StepExecutionId'>
export type ShardId = Brand<string, 'ShardId'>

/** Largest value of PostgreSQL's bigint. */
const MAX_ID = 9_223_372_036_854_775_807n

/** Whether `text` is the canonical decimal form of an id. */
export function isId(text: string): boolean {
  return /^[1-9][0-9]{0,18}$/.test(text) && BigInt(text) <= MAX_ID
}

/** The id that a person writes for an execution: `812` and `r-812` are the same. Undefined if it is neither. */
export function parseRunId(text: string): ExecutionId | undefined {
  const digits = text.startsWith('r-') ? text.slice(2) : text
  return isId(digits) ? (digits as ExecutionId) : undefined
}
