/** Groups of simulated hosts: how many, what they are labelled, and how well or badly they behave. */

/** From and to, ms; equal where it is fixed. */
export interface Range {
  min: number
  max: number
}

export interface Group {
  name: string
  count: number
  /** Beside `simulated=true` and `group=<name>`. */
  labels: Record<string, string>
  /** How long a script takes, beside what its own text says. */
  latencyMs: Range
  /** Share of starts that end with exit code 1, 0 to 1. */
  fail: number
  /** How long a host takes to answer an order. */
  lagMs: number
  /** Mean time between losses of the connection; 0: none. */
  disconnectMs: number
  /** Bytes that each start writes to standard output, beside what the script's own text says. */
  outputBytes: number
  /** Whether each start's output begins with a line that no other has: a time, the host's name, a pid and an id. */
  noise: boolean
}

export class GroupError extends Error {
  override name = 'GroupError'
}

const MAX_COUNT = 50_000
const MAX_OUTPUT = 64 * 2 ** 20

const form =
  'name=web,count=100,latency=50ms-2s,fail=0.01,lag=200ms,disconnect=30s,output=64k,noise=yes,label.rack=a (all but count may be left out)'

/** A host of a group: `web-00001`. */
export function hostNames(group: Group): string[] {
  return Array.from(
    { length: group.count },
    (_, index) => `${group.name}-${String(index + 1).padStart(5, '0')}`,
  )
}

export function labelsOf(group: Group): Record<string, string> {
  return { simulated: 'true', group: group.name, ...group.labels }
}

/**
 * Reads `key=value,…`.
 * @param defaultCount of a group that names none
 * @throws GroupError
 */
export function parseGroup(text: string, defaultCount?: number): Group {
  const values: Record<string, unknown> = {}
  for (const part of text.split(',').filter(Boolean)) {
    const at = part.indexOf('=')
    if (at < 1) throw new GroupError(`"${part}" is not key=value; a group looks like ${form}`)
    values[part.slice(0, at).trim()] = part.slice(at + 1).trim()
  }
  return toGroup(values, defaultCount)
}

/**
 * Reads the JSON of a groups file: an array of groups, or `{"groups": […]}`, with the keys of `--group`.
 * @throws GroupError
 */
export function parseGroups(json: string): Group[] {
  let read: unknown
  try {
    read = JSON.parse(json)
  } catch (error) {
    throw new GroupError(`the groups file is not JSON: ${(error as Error).message}`)
  }
  const list = Array.isArray(read) ? read : (read as { groups?: unknown } | null)?.groups
  if (!Array.isArray(list)) throw new GroupError('the groups file holds no array of groups')
  return checkGroups(list.map((entry) => toGroup(flatten(entry))))
}

/** @throws GroupError when two groups have one name, or there are none */
export function checkGroups(groups: Group[]): Group[] {
  const names = groups.map((group) => group.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice) throw new GroupError(`two groups are called ${twice}`)
  if (!groups.length) throw new GroupError('there are no groups: give --agents N, or --group')
  return groups
}

// In JSON labels are an object; on the command line each is a key of its own.
function flatten(entry: unknown): Record<string, unknown> {
  const { labels, ...rest } = entry as Record<string, unknown> & { labels?: Record<string, unknown> }
  const flat = Object.entries(labels ?? {}).map(([name, value]) => [`label.${name}`, value])
  return { ...rest, ...Object.fromEntries(flat) }
}

function toGroup(values: Record<string, unknown>, defaultCount?: number): Group {
  const group: Group = {
    name: 'sim',
    count: defaultCount ?? 0,
    labels: {},
    latencyMs: { min: 50, max: 500 },
    fail: 0,
    lagMs: 0,
    disconnectMs: 0,
    outputBytes: 0,
    noise: false,
  }
  for (const [key, value] of Object.entries(values)) setKey(group, key, String(value))
  if (group.count < 1) throw new GroupError(`the group ${group.name} has no count`)
  return group
}

function setKey(group: Group, key: string, text: string): void {
  if (key.startsWith('label.')) {
    group.labels[key.slice('label.'.length)] = text
    return
  }
  switch (key) {
    case 'name':
      if (!/^[a-z][a-z0-9-]{0,40}$/.test(text))
        throw new GroupError(`"${text}" cannot name a group: lower-case letters, digits, hyphens`)
      group.name = text
      return
    case 'count':
      group.count = parseNumber(key, text, MAX_COUNT)
      if (!Number.isInteger(group.count)) throw new GroupError('count must be a whole number')
      return
    case 'fail':
      group.fail = parseNumber(key, text, 1)
      return
    case 'latency':
      group.latencyMs = parseRange(text)
      return
    case 'lag':
      group.lagMs = parseDuration(text)
      return
    case 'disconnect':
      group.disconnectMs = parseDuration(text)
      return
    case 'output':
      group.outputBytes = parseBytes(text)
      return
    case 'noise':
      if (!/^(yes|no|true|false)$/.test(text)) throw new GroupError(`noise is yes or no, not "${text}"`)
      group.noise = text === 'yes' || text === 'true'
      return
    default:
      throw new GroupError(`a group has no "${key}"; it looks like ${form}`)
  }
}

function parseNumber(key: string, text: string, max: number): number {
  const value = text === '' ? Number.NaN : Number(text)
  if (value >= 0 && value <= max) return value
  throw new GroupError(`${key} must be a number from 0 to ${max}, not "${text}"`)
}

function parseRange(text: string): Range {
  const [from = '', to = from] = text.split('-')
  const range = { min: parseDuration(from), max: parseDuration(to) }
  if (range.max < range.min) throw new GroupError(`latency ${text} ends before it begins`)
  return range
}

/** `200`, `200ms`, `1.5s`, `2m`, `1h` → ms. */
function parseDuration(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim())
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[found?.[2] ?? 'ms']
  if (!found || unit === undefined) throw new GroupError(`"${text}" is not a duration such as 200ms or 1.5s`)
  return Number(found[1]) * unit
}

function parseBytes(text: string): number {
  const found = /^(\d+)([km])?$/i.exec(text.trim())
  if (!found) throw new GroupError(`"${text}" is not a size such as 500, 64k or 2m`)
  const unit = { k: 1024, m: 1024 ** 2 }[(found[2] ?? '').toLowerCase()] ?? 1
  const bytes = Number(found[1]) * unit
  if (bytes > MAX_OUTPUT) throw new GroupError(`output is at most ${MAX_OUTPUT} bytes a start`)
  return bytes
}
