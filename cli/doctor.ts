/** `drover doctor`: what a person would check first, in the order in which one thing needs the other. */
import { createDrover, DroverError, type Whoami } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { cliVersion } from './version.js'
import { readSettings, type Settings } from './settings.js'
import type { Terminal } from './terminal.js'
import { formatDuration } from './values.js'

interface Finding {
  check: string
  state: 'good' | 'warn' | 'bad'
  says: string
}

const SKEW_WARNED_MS = 5_000
const ANSWER_WITHIN_MS = 5_000

export async function doctor(terminal: Terminal, options: { json?: true }): Promise<void> {
  const settings = readSettings()
  const findings: Finding[] = []
  process.exitCode = await examine(settings, findings)
  if (options.json) return terminal.json({ url: settings.url, findings, exitCode: process.exitCode })
  const marks = { good: 'ok  ', warn: 'warn', bad: 'BAD ' }
  for (const { check, state, says } of findings) {
    terminal.data(`${terminal.tone(state, marks[state])}  ${check.padEnd(8)}  ${says}`)
  }
}

/** @returns the exit code: of the first thing that is bad */
async function examine(settings: Settings, findings: Finding[]): Promise<number> {
  const { url, token, scope } = settings
  const reachable = await checkServer(url, findings)
  if (!reachable) return exitCodes.unavailable
  if (!token) {
    findings.push({
      check: 'token',
      state: 'bad',
      says: 'DROVER_TOKEN is not set: the first start of the api printed one',
    })
    return exitCodes.forbidden
  }
  const drover = createDrover({ url, token, scope, retries: 0 })
  let me: Whoami
  try {
    me = await drover.whoami()
  } catch (error) {
    findings.push({ check: 'token', state: 'bad', says: (error as Error).message })
    return error instanceof DroverError && error.status === 401 ? exitCodes.forbidden : exitCodes.unavailable
  }
  const roles = me.roles[scope]
  findings.push(
    roles
      ? { check: 'token', state: 'good', says: `${me.principal.name}: ${roles.join(', ')} in scope ${scope}` }
      : {
          check: 'token',
          state: 'bad',
          says: `${me.principal.name} has no role in scope ${scope}; set DROVER_SCOPE to one of: ${Object.keys(me.roles).join(', ')}`,
        },
  )
  checkVersions(me.server.version, findings)
  await checkTemporal(me.server.temporalUi, findings)
  if (!roles) return exitCodes.forbidden
  await checkAgents(drover, findings)
  return findings.some((finding) => finding.state === 'bad') ? exitCodes.unavailable : exitCodes.ok
}

async function checkServer(url: string, findings: Finding[]): Promise<boolean> {
  try {
    const sentAt = Date.now()
    const up = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    const tookMs = Date.now() - sentAt
    findings.push({ check: 'server', state: up.ok ? 'good' : 'bad', says: `${url} answers in ${tookMs} ms` })
    // The Date header has whole seconds, and was written at about half of the way.
    const skewMs = sentAt + tookMs / 2 - Date.parse(up.headers.get('date') ?? '') - 500
    const far = Math.abs(skewMs) > SKEW_WARNED_MS
    findings.push({
      check: 'clock',
      state: far ? 'warn' : 'good',
      says: far
        ? `this machine is ${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the server`
        : 'this machine and the server agree',
    })
    const ready = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    const { status } = (await ready.json()) as { status: string }
    findings.push({ check: 'stores', state: ready.ok ? 'good' : 'bad', says: status })
    return true
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    findings.push({
      check: 'server',
      state: 'bad',
      says: `no answer from ${url} (${cause}); is it running? Is DROVER_URL right?`,
    })
    return false
  }
}

function checkVersions(server: string, findings: Finding[]): void {
  const cli = cliVersion()
  const same = server.split('.').slice(0, 2).join('.') === cli.split('.').slice(0, 2).join('.')
  findings.push({
    check: 'version',
    state: same ? 'good' : 'warn',
    says: same
      ? `server ${server}, CLI ${cli}`
      : `the server is ${server}, this CLI ${cli}: use one of the server's version`,
  })
}

async function checkTemporal(ui: string | null, findings: Finding[]): Promise<void> {
  if (!ui) {
    findings.push({
      check: 'temporal',
      state: 'warn',
      says: 'the api was not told where the web UI is (DROVER_TEMPORAL_UI)',
    })
    return
  }
  const host = new URL(ui).hostname
  const local = ['127.0.0.1', 'localhost', '::1', '[::1]'].includes(host)
  const note = local
    ? '; on loopback: an embedded development server, reached from this machine only and not for production'
    : ''
  findings.push({ check: 'temporal', state: 'good', says: `${ui}${note}` })
}

async function checkAgents(drover: ReturnType<typeof createDrover>, findings: Finding[]): Promise<void> {
  let hosts = 0
  let connected = 0
  let skewed = 0
  for await (const host of drover.hosts()) {
    hosts++
    if (host.connected) connected++
    if (Math.abs(host.clockSkewMs ?? 0) > SKEW_WARNED_MS) skewed++
  }
  const says = hosts
    ? `${connected} of ${hosts} connected`
    : 'none has joined; make a token with: drover hosts join-token'
  findings.push({ check: 'agents', state: hosts > 0 && connected === hosts ? 'good' : 'warn', says })
  if (skewed)
    findings.push({
      check: 'agents',
      state: 'warn',
      says: `the clock of ${skewed} is more than 5 s off; they work, but their times mislead`,
    })
}
