/** The records of one task in the journal, as docs/reference/spool.md describes them; bytes stand in base64. */
import { RULES_VERSION } from '../../base/normalise-rules.js'
import type { Started, TaskState, TaskUpdate, VariableType } from '../../proto/index.js'

/** `intent.json`: written and flushed before the task is accepted, never changed. */
export interface Intent {
  version: 1
  order: string
  signature: string
  keyId: string
  spec: string
  bootId: string
  acceptedAtMs: number
  acceptedUptimeMs: number
  /** Folder that holds the script and the command file until the end. */
  scriptFolder: string
  /** Whether the command file puts its reader's words before the interpreter, so that the wrapper may read it itself. */
  commandTakesWords?: boolean
  /** Whether the script's shell is to tell values of variables at its exit. */
  captures?: boolean
  /** Of a task with secrets: what was sealed to this host, as it came; and the folder that holds the values until the end. */
  secrets?: string
  secretsFolder?: string
}

/** `cancel.json` */
export interface Cancel {
  version: 1
  order: string
  signature: string
  keyId: string
  reason: string
  receivedAtMs: number
  bootId: string
  receivedUptimeMs: number
}

/** `timeout.json`: the decision to end an overdue task, written before the first signal. */
export interface Timeout {
  version: 1
  bootId: string
  decidedUptimeMs: number
}

export interface StreamResult {
  bytes: number
  /** Hex; empty when it cannot be known. */
  sha256: string
  truncated: boolean
  /** The same of the output as it is normalised, in hex, and by which rules; missing in records of old agents. */
  normalised?: { sha256: string; rules: number }
}

/** `result.json`: the verdict; once it is there, nothing about the task changes. */
export interface Result {
  version: 1
  state: TaskState
  executionId: string
  stepExecutionId: string
  attempt: number
  outputDay: string
  /** With the three ids above: which task this is. Empty while that is not known; missing in records of old agents. */
  scopeId?: string
  /** Hex. */
  specSha256?: string
  exitCode?: number
  signal: string
  reason: string
  detail: string
  started: Started
  /** Exited with 0 and failed all the same, for `reason`. */
  failed?: boolean
  /** What the script said of itself. */
  tag?: string
  variables?: RecordedVariable[]
  durationMs: number
  stdout: StreamResult
  stderr: StreamResult
  endedAtMs: number
  /** The signed expiry: until then, and a day longer, the id must be remembered. */
  expiresAtMs: number
}

export interface RecordedVariable {
  name: string
  type: VariableType
  items: string[]
}

/** `acked.json`: how much output the server had; a hint, written lazily. */
export interface Acked {
  stdout: number
  stderr: number
}

/** `capped.json`: where the streams were cut; written before anything is cut. */
export interface Capped {
  stdout: number
  stderr: number
}

/** `exit`: what the wrapper saw, as `<status> <uptime in seconds>`. */
export interface ExitRecord {
  status: number
  uptimeMs: number
}

/** `pid`: the wrapper, as `<pid> <start ticks>`. */
export interface WrapperRecord {
  pid: number
  startTicks: number
}

// Numbers are fixed, not counted, so that a repeat after a restart carries the number it had.
export const UPDATE_SEQUENCE = { accepted: 1n, running: 2n, final: 3n } as const

const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export const EMPTY_STREAM: StreamResult = {
  bytes: 0,
  sha256: SHA256_OF_NOTHING,
  truncated: false,
  normalised: { sha256: SHA256_OF_NOTHING, rules: RULES_VERSION },
}

/** The final update that tells a recorded result. */
export function toFinalUpdate(dispatchId: Buffer, result: Result, acked: Acked): TaskUpdate {
  return {
    dispatchId,
    state: result.state,
    sequence: UPDATE_SEQUENCE.final,
    executionId: BigInt(result.executionId),
    stepExecutionId: BigInt(result.stepExecutionId),
    attempt: result.attempt,
    outputDay: result.outputDay,
    exitCode: result.exitCode,
    signal: result.signal,
    reason: result.reason,
    detail: result.detail,
    started: result.started,
    durationMs: BigInt(result.durationMs),
    stdout: toSummary(result.stdout, acked.stdout),
    stderr: toSummary(result.stderr, acked.stderr),
    startedAgoMs: 0n,
    variables: (result.variables ?? []).map(({ name, type, items }) => ({
      name,
      type,
      items: items.map((item) => Buffer.from(item, 'base64')),
      changeable: true,
    })),
    tag: result.tag ?? '',
    failed: result.failed ?? false,
  }
}

function toSummary(stream: StreamResult, acked: number) {
  return {
    bytes: BigInt(stream.bytes),
    sha256: Buffer.from(stream.sha256, 'hex'),
    truncated: stream.truncated,
    acknowledged: BigInt(acked),
    normalisedSha256: Buffer.from(stream.normalised?.sha256 ?? '', 'hex'),
    normalisedRules: stream.normalised?.rules ?? 0,
  }
}

/** Reads `exit`; undefined while it is missing, blank or torn. */
export function parseExit(text: string | undefined): ExitRecord | undefined {
  // Written over blanks, so that a reader may come between two bytes: the two decimals of /proc/uptime come last.
  const found = /^(\d{1,3}) (\d+\.\d\d)\s*\n$/.exec(text ?? '')
  return found ? { status: Number(found[1]), uptimeMs: Math.round(Number(found[2]) * 1000) } : undefined
}

/** Reads `pid`; undefined while the wrapper has not filled it in. */
export function parseWrapper(text: string | undefined): WrapperRecord | undefined {
  const found = /^(\d+) (\d+)\s*\n$/.exec(text ?? '')
  return found ? { pid: Number(found[1]), startTicks: Number(found[2]) } : undefined
}
