/** Values as people write them on a command line. */
import { UsageError } from './fail.js'

/** Enough of a script's hash to tell texts apart. */
export const SHA_SHOWN = 12

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `2m`, `1h30m` in ms. @throws UsageError */
export function parseDuration(text: string): number {
  if (/^(\d+(ms|[smhd]))+$/.test(text)) {
    let sum = 0
    for (const [, number, unit = ''] of text.matchAll(/(\d+)(ms|[smhd])/g))
      sum += Number(number) * (units[unit] ?? 0)
    return sum
  }
  throw new UsageError(`"${text}" is not a duration; write 90s, 2m or 1h30m`)
}

/** 83000 as `1m23s`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)}s`
  const seconds = Math.round(ms / 1_000)
  const parts: [number, string][] = [
    [Math.floor(seconds / 3_600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ]
  const first = parts.findIndex(([value]) => value > 0)
  return parts
    .slice(first)
    .map(([value, unit], at) => (at === 0 ? String(value) : String(value).padStart(2, '0')) + unit)
    .join('')
}

export const hostsText = (hosts: number): string => `${hosts} ${hosts === 1 ? 'host' : 'hosts'}`

/** 5242880 as `5.0 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 'bytes'
  for (const larger of units) {
    if (value < 1_024) break
    value /= 1_024
    unit = larger
  }
  return `${unit === 'bytes' ? value : value.toFixed(1)} ${unit}`
}

/** `812` or `r-812`. @throws UsageError */
export function parseRun(text: string): string {
  const match = /^(?:r-)?([1-9]\d{0,18})$/.exec(text)
  if (match?.[1]) return match[1]
  throw new UsageError(`"${text}" is not a run; write r-812 (see: drover runs ls)`)
}

/** `K=V`. @throws UsageError */
export function parsePair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`"${text}" should read KEY=VALUE`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** `deploy` or `deploy@3`. @throws UsageError */
export function parseUse(text: string): { name: string; version: number | undefined } {
  const match = /^([^@\s]+)(?:@([1-9]\d{0,5}))?$/.exec(text)
  if (!match?.[1]) throw new UsageError(`"${text}" is not a script; write deploy, or deploy@3 for a version`)
  return { name: match[1], version: match[2] === undefined ? undefined : Number(match[2]) }
}

/** `20` or `25%`. @throws UsageError */
export function parseConcurrency(text: string): number | string {
  if (/^([1-9]\d?|100)%$/.test(text)) return text
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new UsageError(`"${text}" is not a number of hosts, or a percentage such as 25%`)
}

/** Like parseCount, and 0. @throws UsageError */
export function parseAmount(text: string): number {
  return text === '0' ? 0 : parseCount(text)
}

/** @throws UsageError */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new UsageError(`"${text}" is not a number`)
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** `deploy-site`, or `deploy-site/staging` for a plan of it. @throws UsageError */
export function parseJob(text: string): { job: string; plan: string | undefined } {
  const [job = '', plan, more] = text.split('/')
  if (more === undefined && [job, plan ?? job].every((name) => NAME.test(name))) return { job, plan }
  throw new UsageError(`"${text}" is neither a job nor a plan; write deploy-site or deploy-site/staging`)
}
