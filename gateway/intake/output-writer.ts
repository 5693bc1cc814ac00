/** Stores output: chunks of all sessions in batches, one at a time, acknowledged once they are durable. */
import { delay, fullJitter } from '../../base/backoff.js'
import { inflatedLength } from '../../base/deflate.js'
import type { Logger } from '../../base/logger.js'
import { type OutputChunk, OutputStream } from '../../proto/index.js'
import type { OutputLog, Stream, StreamKey } from '../../store/log/output.js'
import type { Session, SessionTask } from '../session/session.js'
import type { HintSender } from './hints-out.js'

/** What a piece counts at least, in bytes: what it takes beside its data, in memory and in a write. */
const PIECE_BYTES = 1024

/** Of one write to the store: large enough to be worth its round trip, small enough not to be felt by others. */
const BATCH_BYTES = 1024 * 1024

/** Between two writes: what a flood brings meanwhile is written together, and a write costs more than what is in it. */
const GATHER_MS = 10

/** Beyond this many bytes waiting, sessions that send output are not read from, until half of it is stored. */
const SATURATED_BYTES = 128 * 1024 * 1024

// A stream in so many pieces that are so small on average is worth rewriting: a script that says a line a second makes
// thousands of documents of a few bytes.
const MERGE_FROM_PIECES = 16
const MERGE_BELOW_BYTES = 16 * 1024

interface Entry {
  session: Session
  task: SessionTask
  stream: OutputStream
  offset: number
  /** As it came: deflated if `inflatedBytes` is not 0. */
  data: Buffer
  inflatedBytes: number
}

export class OutputWriter {
  private queue: Entry[] = []
  private pendingBytes = 0
  private blockedSince: number | undefined
  private running: Promise<void> | undefined
  private merging: Promise<void> = Promise.resolve()
  private readonly paused = new Set<Session>()
  private readonly log: OutputLog
  private readonly hints: HintSender
  private readonly logger: Logger

  constructor(log: OutputLog, hints: HintSender, logger: Logger) {
    this.log = log
    this.hints = hints
    this.logger = logger
  }

  get waitingBytes(): number {
    return this.pendingBytes
  }

  /** How long the store has not taken what waits for it; 0 while it does. */
  get blockedMs(): number {
    return this.blockedSince === undefined ? 0 : Date.now() - this.blockedSince
  }

  /**
   * Asks the store how far a task's output got, and tells the agent to go on from there. While the store is away the
   * output waits on the host: it never holds up the session or a verdict.
   */
  async want(
    session: Session,
    task: SessionTask,
    acknowledged: { stdout: number; stderr: number },
  ): Promise<void> {
    task.asking = true
    for (let failures = 0; !session.ended; ) {
      try {
        const stdout = await this.log.contiguousEnd(keyOf(task, 'stdout'), acknowledged.stdout)
        const stderr = await this.log.contiguousEnd(keyOf(task, 'stderr'), acknowledged.stderr)
        task.expected = {
          [OutputStream.OUTPUT_STREAM_STDOUT]: stdout,
          [OutputStream.OUTPUT_STREAM_STDERR]: stderr,
        }
        task.asking = false
        return this.tellWanted(session, task)
      } catch (err) {
        this.logger.warn({ err, hostId: session.hostId }, 'the store of output is away; asking again')
        await delay(fullJitter(failures++, Math.random(), 200, 5_000) + 100)
      }
    }
  }

  /**
   * Takes a chunk in. One that was stored before is acknowledged again; one that leaves a gap is dropped, and the agent
   * is told where to go on. Deflated ones are stored as they are, and not believed by who reads them: a host that lies about its
   * own output has only itself to lie about.
   */
  add(session: Session, task: SessionTask, chunk: OutputChunk): void {
    const expected = task.expected[chunk.stream]
    const offset = Number(chunk.offset)
    const length = inflatedLength(chunk)
    if (expected === undefined) {
      // Nobody knows here how far it got: the store says, and the agent goes on from there.
      if (!task.asking) void this.want(session, task, { stdout: 0, stderr: 0 })
      return
    }
    if (offset !== expected) {
      if (offset > expected) this.tellWanted(session, task)
      else if (offset + length <= expected) acknowledge(session, task, chunk.stream, expected)
      return
    }
    task.expected[chunk.stream] = offset + length
    const { data, inflatedBytes } = chunk
    const entry = { session, task, stream: chunk.stream, offset, data, inflatedBytes }
    this.queue.push(entry)
    this.pendingBytes += weigh(entry)
    if (this.pendingBytes > SATURATED_BYTES) {
      this.paused.add(session)
      session.pause()
    }
    this.running ??= this.run().finally(() => {
      this.running = undefined
    })
  }

  /** A task has ended: once all of its output is stored, small pieces are merged and the session forgets the task. */
  finish(session: Session, task: SessionTask, ends: { stdout: number; stderr: number }): void {
    task.ends = {
      [OutputStream.OUTPUT_STREAM_STDOUT]: ends.stdout,
      [OutputStream.OUTPUT_STREAM_STDERR]: ends.stderr,
    }
    this.forgetIfStored(session, task)
  }

  private forgetIfStored(session: Session, task: SessionTask): void {
    const { ends } = task
    if (!ends || this.queue.some((entry) => entry.task === task)) return
    const streams = [OutputStream.OUTPUT_STREAM_STDOUT, OutputStream.OUTPUT_STREAM_STDERR]
    if (streams.some((stream) => (task.expected[stream] ?? -1) < (ends[stream] ?? 0))) return
    session.tasks.delete(task.dispatch)
    for (const stream of streams) {
      const bytes = ends[stream] ?? 0
      const pieces = task.pieces[stream] ?? 0
      if (pieces < MERGE_FROM_PIECES || bytes / pieces > MERGE_BELOW_BYTES) continue
      this.merging = this.merging
        .then(() => this.log.merge(keyOf(task, nameOf(stream)), bytes))
        .catch((err) => this.logger.debug({ err }, 'output was left in small pieces'))
    }
  }

  async drain(): Promise<void> {
    while (this.running) await this.running
    await this.merging
  }

  private tellWanted(session: Session, task: SessionTask): void {
    const {
      [OutputStream.OUTPUT_STREAM_STDOUT]: stdout = 0,
      [OutputStream.OUTPUT_STREAM_STDERR]: stderr = 0,
    } = task.expected
    session.send({
      $case: 'outputWanted',
      value: { dispatchId: task.dispatchId, stdoutOffset: BigInt(stdout), stderrOffset: BigInt(stderr) },
    })
  }

  private async run(): Promise<void> {
    for (let failures = 0; this.queue.length; ) {
      const batch = this.take()
      try {
        await this.log.insert(
          batch.map(({ task, stream, offset, data, inflatedBytes }) => ({
            ...keyOf(task, nameOf(stream)),
            offset,
            data,
            inflatedBytes,
          })),
        )
        failures = 0
        this.blockedSince = undefined
      } catch (err) {
        this.blockedSince ??= Date.now()
        this.logger.warn({ err, chunks: batch.length }, 'output cannot be stored; trying again')
        this.queue.unshift(...batch)
        await delay(fullJitter(failures++, Math.random(), 100, 5_000) + 50)
        continue
      }
      this.stored(batch)
      await delay(GATHER_MS)
    }
  }

  private take(): Entry[] {
    let bytes = 0
    const count = this.queue.findIndex((entry) => (bytes += weigh(entry)) > BATCH_BYTES)
    return this.queue.splice(0, count < 0 ? this.queue.length : Math.max(1, count))
  }

  private stored(batch: readonly Entry[]): void {
    const ends = new Map<string, Entry>()
    for (const entry of batch) {
      this.pendingBytes -= weigh(entry)
      ends.set(`${entry.task.dispatch}:${entry.stream}:${entry.session.epoch}`, entry)
      this.hints.add(entry.task.executionId)
      entry.task.pieces[entry.stream] = (entry.task.pieces[entry.stream] ?? 0) + 1
    }
    for (const { session, task, stream, offset, ...chunk } of ends.values()) {
      acknowledge(session, task, stream, offset + inflatedLength(chunk))
      this.forgetIfStored(session, task)
    }
    if (this.pendingBytes * 2 > SATURATED_BYTES) return
    for (const session of this.paused) session.resume()
    this.paused.clear()
  }
}

const weigh = ({ data }: Entry) => data.length + PIECE_BYTES

function acknowledge(session: Session, task: SessionTask, stream: OutputStream, offset: number): void {
  session.send({ $case: 'outputAck', value: { dispatchId: task.dispatchId, stream, offset: BigInt(offset) } })
}

function nameOf(stream: OutputStream): Stream {
  return stream === OutputStream.OUTPUT_STREAM_STDERR ? 'stderr' : 'stdout'
}

function keyOf(task: SessionTask, stream: Stream): StreamKey {
  return { day: task.outputDay, dispatch: task.dispatch, stream }
}
