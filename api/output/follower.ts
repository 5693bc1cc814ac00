/** Following output: rounds over the hosts of an execution, each telling what is new since the round before. */
import { isFinalExecutionState } from '../../domain/execution.js'
import { isFinalHostState } from '../../domain/host-result.js'
import type { OutputLog, Stream } from '../../store/log/output.js'
import type { Execution } from '../../store/postgres/executions.js'
import type { FollowedHost } from '../../store/postgres/follow.js'
import type { EventStream } from '../sse.js'
import { encodeFollowCursor, type FollowState, type Told } from './follow-cursor.js'
import { streamKey } from './stream-end.js'
import { textOrBytes, wholeCharacters } from './utf8.js'

/** Of one stream in one round, so that a loud host does not silence the others. */
const ROUND_BYTES = 1024 * 1024
/** Streams read at once: each holds up to a bucket of output in memory. */
const READERS = 8
/** Output may come after the verdict; a host whose agent is gone is not waited for longer than this. */
const LATE_OUTPUT_MS = 10_000

export class Follower {
  private readonly log: OutputLog
  private readonly stream: EventStream
  private readonly told: FollowState
  /** When a host with an end was last seen to have output missing, by key. */
  private readonly waitingSince = new Map<string, number>()

  constructor(log: OutputLog, stream: EventStream, told: FollowState) {
    this.log = log
    this.stream = stream
    this.told = told
  }

  /** Tells what is new. @returns whether all has been told and nothing can follow */
  async round(execution: Execution, hosts: readonly FollowedHost[]): Promise<boolean> {
    const ended = isFinalExecutionState(execution.state)
    const open = hosts.filter((host) => !this.toldOf(host).done && host.state !== 'pending')
    const queue = open.values()
    const readers = Array.from({ length: READERS }, async () => {
      for (const host of queue) await this.tell(execution.outputDay, host)
    })
    await Promise.all(readers)
    return ended && hosts.every((host) => host.state === 'pending' || this.toldOf(host).done)
  }

  private toldOf(host: FollowedHost): Told {
    const key = keyOf(host)
    const told = this.told.get(key)
    if (told?.attempt === host.attempt) return told
    const fresh = { attempt: host.attempt, state: undefined, stdout: 0, stderr: 0, done: false }
    // A host that has not begun needs no place in the cursor.
    if (host.state !== 'pending') this.told.set(key, fresh)
    return fresh
  }

  private async tell(day: string, host: FollowedHost): Promise<void> {
    const told = this.toldOf(host)
    const final = isFinalHostState(host.state)
    if (!final) await this.tellState(host, told, false)
    const before = told.stdout + told.stderr
    const emptied = (await this.pump(day, host, 'stdout')) && (await this.pump(day, host, 'stderr'))
    if (!final || !emptied) return
    const complete = told.stdout >= (host.stdoutBytes ?? 0) && told.stderr >= (host.stderrBytes ?? 0)
    if (!complete && this.mayStillCome(host, told.stdout + told.stderr > before)) return
    told.done = true
    await this.tellState(host, told, complete)
  }

  private mayStillCome(host: FollowedHost, progressed: boolean): boolean {
    const key = keyOf(host)
    const now = Date.now()
    if (progressed || !this.waitingSince.has(key)) this.waitingSince.set(key, now)
    return now - (this.waitingSince.get(key) ?? now) < LATE_OUTPUT_MS
  }

  private async tellState(host: FollowedHost, told: Told, complete: boolean): Promise<void> {
    if (told.state === host.state) return
    told.state = host.state
    const { stepPosition, hostId, hostName, attempt, state, exitCode, reason } = host
    await this.send('host', { stepPosition, hostId, hostName, attempt, state, exitCode, reason, complete })
  }

  /** @returns whether all that is kept has been told */
  private async pump(day: string, host: FollowedHost, stream: Stream): Promise<boolean> {
    const told = this.toldOf(host)
    const final = isFinalHostState(host.state)
    const said = stream === 'stdout' ? host.stdoutBytes : host.stderrBytes
    if (final && said !== null && told[stream] >= said) return true
    const key = streamKey(day, host.stepExecutionId, host, stream)
    const from = told[stream]
    let rest: Buffer = Buffer.alloc(0)
    for await (const bytes of this.log.read(key, from, from + ROUND_BYTES)) {
      const data = rest.length ? Buffer.concat([rest, bytes]) : bytes
      const whole = wholeCharacters(data)
      rest = data.subarray(whole)
      await this.sendChunk(host, told, stream, data.subarray(0, whole))
    }
    // Half a character at the very end is never completed: it goes out as the bytes that it is.
    if (final && rest.length && told[stream] + rest.length >= (said ?? 0))
      await this.sendChunk(host, told, stream, rest)
    return told[stream] - from < ROUND_BYTES - 4
  }

  private async sendChunk(host: FollowedHost, told: Told, stream: Stream, data: Buffer): Promise<void> {
    if (!data.length) return
    const offset = told[stream]
    told[stream] += data.length
    const { stepPosition, hostId, hostName, attempt } = host
    await this.send('chunk', {
      stepPosition,
      hostId,
      hostName,
      attempt,
      stream,
      offset,
      ...textOrBytes(data),
    })
  }

  private send(event: 'chunk' | 'host', data: unknown): Promise<void> {
    return this.stream.send({ event, data, id: encodeFollowCursor(this.told) })
  }
}

function keyOf(host: FollowedHost): string {
  return `${host.stepPosition}/${host.position}`
}
