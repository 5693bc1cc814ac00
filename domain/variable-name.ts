/** What a variable may be called, and how much it may hold. */

export const VARIABLES_MAX = 64

/** Of one value, in bytes of UTF-8 with its keys: under what Linux gives a process in one string (128 KiB). */
export const VALUE_MAX_BYTES = 80_000
export const VALUE_MAX_ITEMS = 1_000

// They change how an interpreter itself runs, or a shell sets them by itself and takes no other value.
const refused =
  /^(PATH|IFS|ENV|LD_.*|DYLD_.*|BASH.*|DROVER_.*|JOB_LAST_.*|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|CDPATH|UID|EUID|PPID|GROUPS|SHELLOPTS|PS[0-4]|PROMPT_COMMAND|OPT(IND|ARG|ERR)|RANDOM|SRANDOM|EPOCH(SECONDS|REALTIME)|SECONDS|LINENO|FUNCNAME|DIRSTACK|PIPESTATUS|REPLY|COLUMNS|LINES|HISTCMD|COMP_.*|MAPFILE|LANG|LC_.*|PYTHON.*|PERL.*|NODE_.*|_)$/

/** Why a variable cannot be called so; undefined if it can. */
export function whyNotName(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name))
    return `"${name.slice(0, 70)}" is not a name for a variable: letters, digits and _, at most 64`
  if (refused.test(name))
    return `${name} is refused: shells and interpreters have a meaning of their own for it`
  return undefined
}
