/** Running programs: captured for steps, inherited for what the user asked for; none of them outlives npm. */
import { spawn } from 'node:child_process'
import { root, PrepareError } from './root.mjs'

const running = new Set()
let handed

/** Kills what runs when whoever started us is gone, for nobody would read the result. */
export function endWithParent() {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid === parent) return
    for (const child of running) killGroup(child, 'SIGKILL')
    // What runs on the terminal closes its servers first; it watches us as well.
    handed?.kill('SIGTERM')
    process.exit(129)
  }, 500).unref()
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      for (const child of running) killGroup(child, 'SIGTERM')
      process.exit(130)
    })
  }
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Ended meanwhile.
  }
}

/**
 * Runs a program to its end with its output kept.
 * @returns `{ code, output, stdout }`; `output` is standard output and error as they came
 */
export function capture(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    // Its own group, so that a compiler and all its helpers end together.
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...options,
    })
    running.add(child)
    const all = []
    const out = []
    child.stdout.on('data', (chunk) => all.push(chunk) && out.push(chunk))
    child.stderr.on('data', (chunk) => all.push(chunk))
    child.on('error', (error) => {
      running.delete(child)
      reject(new PrepareError(`cannot run ${command}: ${error.message}`, { cause: error }))
    })
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({
        code: code ?? `signal ${signal}`,
        output: Buffer.concat(all).toString(),
        stdout: Buffer.concat(out).toString(),
      })
    })
  })
}

/** As `capture`, but anything other than exit code 0 is an error that shows the end of the output. */
export async function mustRun(command, args, options = {}) {
  const result = await capture(command, args, options)
  if (result.code === 0) return result
  const tail = result.output.trimEnd().split('\n').slice(-40).join('\n')
  throw new PrepareError(`${tail}\n${[command, ...args].join(' ')} failed (${result.code}).`)
}

/**
 * Runs what the user asked for on this terminal; signals are passed on and its end is waited for.
 * @param options `limitMs`: it is killed after that
 * @returns its exit code
 */
export function hand(args, { env = {}, limitMs } = {}) {
  return new Promise((resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal)
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, DROVER_PREPARE_PID: String(process.pid), ...env },
    })
    handed = child
    const limit = limitMs && setTimeout(() => overdue(child, limitMs), limitMs)
    // A terminal sends Ctrl-C to the child as well; a signal sent to us alone must be passed on.
    process.on('SIGINT', () => {})
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1))
    })
  })
}

function overdue(child, limitMs) {
  process.stderr.write(`\nstill running after ${limitMs / 60_000} minutes: killed\n`)
  child.kill('SIGKILL')
}
