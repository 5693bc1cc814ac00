/** Progress of preparation: a line per step, with an honest estimate from the durations of earlier runs. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { cache } from './root.mjs'

const terminal = process.stderr.isTTY === true
const durationsFile = join(cache, 'durations.json')
const active = new Map()
let drawn = 0
let painter

function durations() {
  try {
    return JSON.parse(readFileSync(durationsFile, 'utf8'))
  } catch {
    return {}
  }
}

function record(key, ms) {
  try {
    mkdirSync(cache, { recursive: true, mode: 0o755 })
    const aside = `${durationsFile}.${process.pid}`
    writeFileSync(aside, JSON.stringify({ ...durations(), [key]: ms }))
    renameSync(aside, durationsFile)
  } catch {
    // An estimate is a kindness; a full disk shows elsewhere.
  }
}

/** `43 s` or `2 min 5 s`. */
function human(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000))
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

function remaining(step, now) {
  const left = step.expectedMs - (now - step.startedAt)
  if (left > 0) return `about ${human(left)} left`
  return step.known ? `longer than the last time (${human(step.expectedMs)})` : 'longer than usual'
}

function colour(style, text) {
  return process.stderr.hasColors?.() ? styleText(style, text) : text
}

function erase() {
  if (drawn) process.stderr.write(`\x1b[${drawn}A\x1b[0J`)
  drawn = 0
}

function paint() {
  erase()
  const now = Date.now()
  for (const step of active.values()) {
    if (now - step.startedAt < 300) continue
    const line = `  … ${step.title}  ${human(now - step.startedAt)}, ${remaining(step, now)}`
    process.stderr.write(`${line.slice(0, (process.stderr.columns || 100) - 1)}\n`)
    drawn += 1
  }
}

function announce(step) {
  const first = step.known ? '' : ', the first time only'
  process.stderr.write(`  … ${step.title} (about ${human(step.expectedMs)}${first})\n`)
  step.announced = true
}

/** One finished line, above the moving ones. */
export function say(text) {
  erase()
  process.stderr.write(`${text}\n`)
  if (terminal) paint()
}

function follow(step) {
  if (terminal) {
    painter ??= setInterval(paint, 250).unref()
    return () => {}
  }
  const begin = setTimeout(() => announce(step), 2_000)
  const still = setInterval(
    () => say(`  … ${step.title}: ${human(Date.now() - step.startedAt)}, ${remaining(step, Date.now())}`),
    30_000,
  )
  return () => {
    clearTimeout(begin)
    clearInterval(still)
  }
}

/**
 * Runs one step and shows it if it takes longer than a moment.
 * @param step `key` names its recorded duration, `roughMs` is the estimate before there is one
 */
export async function runStep(step, work) {
  const known = durations()[step.key]
  const entry = {
    ...step,
    startedAt: Date.now(),
    known: known !== undefined,
    expectedMs: known ?? step.roughMs,
  }
  active.set(step.key, entry)
  const unfollow = follow(entry)
  let mark = colour('red', '✗')
  try {
    const result = await work()
    mark = colour('green', '✓')
    record(step.key, Date.now() - entry.startedAt)
    return result
  } finally {
    unfollow()
    active.delete(step.key)
    const took = Date.now() - entry.startedAt
    if (took > 1_000 || mark.includes('✗')) say(`  ${mark} ${step.title}  ${human(took)}`)
    else if (terminal) paint()
    if (active.size === 0) {
      clearInterval(painter)
      painter = undefined
    }
  }
}
