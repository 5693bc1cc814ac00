/** Scripts: languages and limits. */

/** What a script step may be in. */
export const scriptLanguages = ['bash', 'sh', 'python', 'perl', 'node', 'powershell', 'bat'] as const
/** What a script of the library may be in: SQL is for steps of the kind `sql`. */
export const languages = [...scriptLanguages, 'sql'] as const
export type Language = (typeof languages)[number]

/** Largest script, in bytes of UTF-8. */
export const SCRIPT_MAX_BYTES = 1024 * 1024

/** Longest time limit: 48 h, what GSE allows and long enough for a backup. */
export const TIMEOUT_MAX_MS = 48 * 3_600_000
/** A time limit that is no longer than another, if there is one. */
export const capLimit = (ms: number, maxMs: number = TIMEOUT_MAX_MS): number => Math.min(ms, maxMs)

export const TIMEOUT_DEFAULT_MS = 3_600_000
export const GRACE_DEFAULT_MS = 10_000

/** Longest tag that a script gives its outcome (characters). */
export const TAG_MAX_CHARACTERS = 256

/** Output kept of one host and one attempt, both streams together (bytes). */
export const OUTPUT_CAP_BYTES = 1_000_000_000
