/**
 * What is taken out of output before it is compared: parts that are other on every host, or at every run, by their nature.
 * The one place where that is decided; docs/reference/normalising.md shows it to people, and a test holds the two together.
 *
 * Two mistakes are possible. Too little taken out makes many groups, which anybody sees. Too much makes a difference vanish, which nobody
 * sees: a form that could as well be a value is left alone. Change anything here, and RULES_VERSION grows.
 */

/** Hosts whose agents go by other rules are compared byte by byte. */
export const RULES_VERSION = 1

/** What stands in the place of what was taken out. */
export type Kind = 'time' | 'duration' | 'id' | 'pid' | 'host'

export interface Rule {
  kind: Exclude<Kind, 'host'>
  /** In words, as the reference page names it. */
  what: string
  /**
   * Matches ASCII within one line, from the beginning of a word to the end of one. It has no `*`, `+` or open `{n,}` and no
   * back-reference: a bounded pattern takes bounded time wherever it is tried, so that a line takes time by its length.
   */
  pattern: string
  examples: readonly string[]
  why: string
  /** What else must hold of the text that the pattern found. */
  holds?: (text: string, aroundMs: number) => boolean
}

const year = '(?:19|20)\\d\\d'
const month = '(?:0[1-9]|1[0-2])'
const day = '(?:0[1-9]|[12]\\d|3[01])'
const hour = '(?:[01]\\d|2[0-3])'
const minute = '[0-5]\\d'
const second = '(?:[0-5]\\d|60)'
// With a comma only as logs have it, milliseconds before a blank or a bracket: in CSV the next column begins there.
const fraction = '(?:\\.\\d{1,9}|,\\d{3}(?=[ \\t\\]):|]))?'
const half = '(?: [AP]M)?'
const weekday = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const monthName = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
// As it stands alone or padded.
const anyDay = '(?:[12]\\d|3[01]|[ 0]?[1-9])'
const clock = `${hour}:${minute}:${second}${fraction}`
const zoneName =
  '(?:UTC|GMT|[ECMPA][SD]T|AK[SD]T|WES?T|CES?T|EES?T|MSK|BST|IST|JST|KST|HKT|SGT|AE[SD]T|AC[SD]T|AWST|NZ[SD]T)'
const zone = `(?:Z| ?[+-](?:0\\d|1[0-4]):?(?:00|15|30|45)| ?${zoneName})?`
const hex = '[0-9A-Fa-f]'
const fractionUnit = '(?:ns|us|\\u00c2\\u00b5s|ms|s|secs?|seconds?)'
const unit = `(?:${fractionUnit}|m|mins?|minutes?|h|hours?)`
const idWord =
  '(?:[Rr]equest|[Rr]eq|[Tt]race|[Ss]pan|[Ss]ession|[Cc]ontainer|[Ii]nvocation|[Tt]ransaction|[Cc]orrelation|[Mm]essage|[Ee]vent|[Mm]achine|[Bb]oot|[Cc]onnection|[Oo]peration|[Jj]ob|[Tt]ask|[Tt]hread)'

const DAY_MS = 86_400_000
const perMs: Record<number, number> = { 10: 1e-3, 13: 1, 16: 1e3, 19: 1e6 }

/** Whether a number counts the time since 1970 to within a day of the run, by its digits in s, ms, µs or ns. */
function isNear(text: string, aroundMs: number): boolean {
  const [whole = ''] = text.split('.')
  return Math.abs(Number(whole) / (perMs[whole.length] ?? 1) - aroundMs) < DAY_MS
}

/** The first that matches at a place wins. */
export const rules: readonly Rule[] = [
  {
    kind: 'id',
    what: 'UUID',
    pattern: `${hex}{8}-${hex}{4}-${hex}{4}-${hex}{4}-${hex}{12}`,
    examples: ['3f2b8c1e-9d47-4e55-8a0b-6c2f1d7e9a34'],
    why: 'it is made to be like no other',
  },
  {
    kind: 'time',
    what: 'date with a time: ISO 8601, RFC 3339, logs, names of files',
    pattern: `(?:${weekday} )?${year}[-/]${month}[-/]${day}(?:[Tt _]${hour}:${minute}(?::${second}${fraction})?${zone}|[T_-]${hour}-${minute}-${second})`,
    examples: [
      '2026-11-22T00:42:46.123Z',
      '2026-11-22 00:42:46,123 +0100',
      '2026/11/22 00:42:46',
      'Sun 2026-11-22 00:42:46 CET',
      '2026-11-22 00:42',
      '2026-11-22_00-42-46',
    ],
    why: 'it says when the line was written, or a file',
  },
  {
    kind: 'time',
    what: 'date with a time, digits only',
    pattern: `${year}${month}${day}[T_-]${hour}${minute}${second}Z?`,
    examples: ['20261122T004246Z', '20261122-004246'],
    why: 'as above, in names of files',
  },
  {
    kind: 'time',
    what: 'date with a time by the name of the month: syslog, ctime, `date`, OpenSSL',
    pattern: `(?:${weekday},? )?${monthName} ${anyDay}(?:,? ${year})?,? (?:${clock}${half}${zone}(?: ${year})?(?: GMT)?|${hour}:${minute}(?!:))`,
    examples: [
      'Nov 22 00:42:46',
      'Nov  2 00:42:46',
      'Sun Nov 22 00:42:46 2026',
      'Sun Nov 22 12:42:46 AM UTC 2026',
      'Nov 22 00:42:46 2026 GMT',
      'Nov 22 00:42',
    ],
    why: 'it says when the line was written, or a file (`ls -l`)',
  },
  {
    kind: 'time',
    what: 'date with a time, the day first: mail, HTTP, access logs',
    pattern: `(?:(?:${weekday},? )?${anyDay} ${monthName}(?: ${year})?,? |${day}[/-]${monthName}[/-]${year}[: T])${clock}${half}${zone}(?: ${year})?`,
    examples: [
      'Sun, 22 Nov 2026 00:42:46 +0000',
      'Sun, 22 Nov 2026 00:42:46 GMT',
      '22/Nov/2026:00:42:46 +0000',
      '22-Nov-2026 00:42:46.123',
      'Sun 22 Nov 00:42:46 UTC 2026',
    ],
    why: 'as above',
  },
  {
    kind: 'time',
    what: 'date of an old file, as `ls -l` pads it',
    pattern: `${monthName} ${anyDay}  ${year}`,
    examples: ['Mar  3  2025', 'Nov 22  2025'],
    why: 'it stands where `ls -l` has the time of a newer one',
  },
  {
    kind: 'id',
    what: 'MAC address',
    pattern: `(?<!:)${hex}{2}:${hex}{2}:${hex}{2}:${hex}{2}:${hex}{2}:${hex}{2}(?!:[0-9A-Za-z\\0])`,
    examples: ['52:54:00:a1:b2:c3', '00:1A:2B:3C:4D:5E'],
    why: 'no two interfaces have the same',
  },
  {
    kind: 'duration',
    what: 'seconds that were measured: with two decimals or more, and a unit',
    pattern: `(?:\\d{1,5}m\\d{1,2}[.,]\\d{2,6}s|\\d{1,9}\\.\\d{2,9} ?${fractionUnit})`,
    examples: ['0m0.003s', '0.034 ms', '12.50s', '3.14 seconds'],
    why: 'so exact a time was measured; one that somebody set has no such decimals',
  },
  {
    kind: 'duration',
    what: 'time that something took, in words',
    pattern: `(?<=(?:took|elapsed|[Tt]ime elapsed|[Ff]inished in|[Cc]ompleted in|[Dd]one in|[Bb]uilt in|[Rr]an in)[ :=]{1,2})(?:\\d{1,5}h ?)?(?:\\d{1,5}m(?:in)? ?)?\\d{1,9}(?:\\.\\d{1,9})? ?${unit}`,
    examples: ['took 12 ms', 'finished in 3s', 'elapsed: 1m 2s', 'done in 1.5 seconds'],
    why: 'as above; the word says that it was measured',
  },
  {
    kind: 'duration',
    what: 'lines of `time -p`',
    pattern: '(?<=^(?:real|user|sys)[ \\t]{1,8})\\d{1,7}[.,]\\d{1,6}(?=\\r?$)',
    examples: ['real 0.01', 'user 12.30'],
    why: 'as above; the line has no unit',
  },
  {
    kind: 'time',
    what: 'time of day with seconds',
    pattern: `(?<!(?:\\d|\\0[a-z])[:.])(?<!::)\\d{1,2}:${minute}:${minute}${fraction}${half}(?!:[0-9A-Za-z\\0])`,
    examples: ['00:42:46', '12:42:46.5 AM', '0:00:01.234'],
    why: 'nothing but times is written so',
  },
  {
    kind: 'time',
    what: "seconds since the host's start, as the kernel's log has them",
    pattern: '(?<=^\\[) {0,5}\\d{1,8}\\.\\d{6}(?=\\])',
    examples: ['[    1.234567]', '[86400.000123]'],
    why: 'each host was started at a time of its own',
  },
  {
    kind: 'time',
    what: 'time since 1970 in s, ms, µs or ns, within a day of the run',
    pattern: '(?<![.,])(?:\\d{19}|\\d{16}|\\d{13}|\\d{10}(?:\\.\\d{1,9})?)(?![.,][0-9\\0])',
    examples: ['1795308166', '1795308166.123456', '1795308166123'],
    why: 'a size or a count is hardly ever so near to the time of the run by chance',
    holds: isNear,
  },
  {
    kind: 'pid',
    what: 'process id after the name of a program',
    pattern: '(?<=[A-Za-z0-9_).-]\\[)\\d{1,10}(?=\\]:)',
    examples: ['sshd[1234]:'],
    why: 'so syslog names who wrote a line; without the colon it may be an index',
  },
  {
    kind: 'pid',
    what: 'process id that is called so',
    pattern: '(?<=(?<![0-9A-Za-z\\0])[pP]?(?:pid|PID|Pid)["\']?[ =:#]{1,2})\\d{1,10}',
    examples: ['pid 1234', 'pid=1234', 'Main PID: 1234', '"pid":1234'],
    why: 'no two processes have the same',
  },
  {
    kind: 'id',
    what: 'hexadecimal id that is called so: request, trace, span, session, container, machine, boot, job, task, …',
    pattern: `(?=${hex}{0,63}[A-Fa-f])(?=${hex}{0,63}\\d)(?<=${idWord}[ _.-]?(?:id|ID|Id)["']?[ =:#]{1,2}["']?)${hex}{8,64}`,
    examples: ['request_id=9f86d081884c7d65', 'traceId: 4bf92f3577b34da6', '"container_id":"3f4a9c1d2b7e"'],
    why: 'the word says what it is: without one it may be a checksum or a commit, and hosts are compared by those',
  },
  {
    kind: 'id',
    what: 'address in memory',
    pattern: `0[xX]${hex}{9,16}`,
    examples: ['0x7f8b8c0d5e10'],
    why: 'it is other in every process; shorter ones may be flags or codes',
  },
  {
    kind: 'id',
    what: 'name of a temporary file',
    pattern: '(?<=tmp\\.)(?=[0-9A-Za-z]{0,9}[0-9A-Z])[0-9A-Za-z]{10}',
    examples: ['/tmp/tmp.aB3dE5fG7h'],
    why: '`mktemp` draws it',
  },
]
