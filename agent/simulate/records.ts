/**
 * What a simulated fleet remembers: the start log (one line a start, for whoever counts) and the ends (verdicts, and what
 * was cancelled or refused). Both outlive a kill of the process, so that no id ever starts again.
 */
import { join } from 'node:path'
import type { DispatchOrder } from '../../proto/index.js'
import { Started } from '../../proto/index.js'
import type { Result } from '../journal/records.js'
import { toResult } from '../task/result.js'
import { interrupted } from '../task/verdict.js'
import { AppendLog } from './append-log.js'
import type { StreamSeed } from './output.js'

export interface EndRecord {
  /** Dispatch id, hex. */
  id: string
  host: string
  result: Result
  stdout: StreamSeed
  stderr: StreamSeed
  /** The stop order (base64) of an id that was cancelled before its dispatch came. */
  stop?: string
}

const NO_OUTPUT: StreamSeed = { text: '', filler: 0 }
// How long an id is remembered whose expiry a killed process did not leave behind.
const KEEP_MS = 72 * 3_600_000

interface StartLine {
  host: string
  id: string
  rows: Pick<Result, 'executionId' | 'stepExecutionId' | 'attempt' | 'outputDay' | 'scopeId' | 'specSha256'>
  atMs: number
}

export class Records {
  /** How many starts the log holds. */
  starts = 0
  /** How many of them were of an id that had started before. Anything but 0 is a fault of this program. */
  twice = 0
  /** How many ids have an end. */
  ended = 0
  private readonly startLog: AppendLog
  private readonly endLog: AppendLog
  /** Of each id that has an end: where its record begins. */
  private readonly ends = new Map<string, number>()
  private readonly started = new Set<string>()
  private readonly startsOf = new Map<string, number>()
  private readonly open = new Map<string, Set<string>>()

  private constructor(folder: string) {
    const orphans = new Map<string, StartLine>()
    this.startLog = AppendLog.open(join(folder, 'starts.log'), (line) => {
      const start = parseStart(line)
      if (!start) return
      this.count(start.host, start.id)
      orphans.set(start.id, start)
    })
    this.endLog = AppendLog.open(join(folder, 'ends.jsonl'), (line, offset) => this.load(line, offset))
    for (const id of this.ends.keys()) orphans.delete(id)
    for (const start of orphans.values()) this.interrupt(start)
  }

  /** Reads what an earlier life left; starts that it did not finish get the end `interrupted`. */
  static open(folder: string): Records {
    return new Records(folder)
  }

  get startLogPath(): string {
    return this.startLog.path
  }

  /** How often this host has started something. */
  startCount(host: string): number {
    return this.startsOf.get(host) ?? 0
  }

  /** Writes a start down; it may be told only afterwards. Throws when the disk does not take it. */
  start(host: string, id: string, order: DispatchOrder): void {
    const { executionId, stepExecutionId, attempt, outputDay, scopeId, specSha256 } = order
    this.startLog.append(
      [new Date().toISOString(), host, id, executionId, stepExecutionId, attempt]
        .concat([outputDay, scopeId, specSha256.toString('hex')])
        .join(' '),
    )
    this.count(host, id)
  }

  find(id: string): EndRecord | undefined {
    const offset = this.ends.get(id)
    return offset === undefined ? undefined : (JSON.parse(this.endLog.read(offset)) as EndRecord)
  }

  /** Writes an end down, or what is new about it. Throws when the disk does not take it. */
  end(record: EndRecord): void {
    this.note(record, this.endLog.append(JSON.stringify(record)))
  }

  /** The server has the end and its output: nothing of it is told at the next start. */
  settle(host: string, id: string): void {
    this.endLog.append(JSON.stringify({ host, settled: id }))
    this.open.get(host)?.delete(id)
  }

  /** Ids of a host that have an end which the server has not settled. */
  unsettled(host: string): string[] {
    return [...(this.open.get(host) ?? [])]
  }

  isUnsettled(host: string, id: string): boolean {
    return this.open.get(host)?.has(id) ?? false
  }

  /** Forgets an id: the order of its cancel was none for it. */
  forget(host: string, id: string): void {
    this.endLog.append(JSON.stringify({ host, forgotten: id }))
    this.drop(host, id)
  }

  close(): void {
    this.startLog.close()
    this.endLog.close()
  }

  private load(line: string, offset: number): void {
    const read = parseEnd(line)
    if (!read) return
    if ('settled' in read) this.open.get(read.host)?.delete(read.settled)
    else if ('forgotten' in read) this.drop(read.host, read.forgotten)
    else this.note(read, offset)
  }

  private note(record: EndRecord, offset: number): void {
    if (!this.ends.has(record.id)) this.ended += 1
    this.ends.set(record.id, offset)
    const open = this.open.get(record.host) ?? new Set()
    this.open.set(record.host, open.add(record.id))
  }

  private drop(host: string, id: string): void {
    if (this.ends.delete(id)) this.ended -= 1
    this.open.get(host)?.delete(id)
  }

  private count(host: string, id: string): void {
    this.starts += 1
    if (this.started.has(id)) this.twice += 1
    this.started.add(id)
    this.startsOf.set(host, this.startCount(host) + 1)
  }

  private interrupt(start: StartLine): void {
    const { id, host, rows, atMs } = start
    const verdict = interrupted('interrupted', Started.STARTED_YES)
    const result = { ...toResult(verdict, undefined), ...rows, expiresAtMs: atMs + KEEP_MS }
    this.end({ id, host, result, stdout: NO_OUTPUT, stderr: NO_OUTPUT })
  }
}

type EndLine = EndRecord | { host: string; settled: string } | { host: string; forgotten: string }

function parseEnd(line: string): EndLine | undefined {
  try {
    return JSON.parse(line) as EndLine
  } catch {
    return undefined
  }
}

function parseStart(line: string): StartLine | undefined {
  const [at = '', host = '', id = '', executionId = '', stepExecutionId = '', attempt = '', ...more] =
    line.split(' ')
  const [outputDay = '', scopeId = '', specSha256 = ''] = more
  if (!/^[0-9a-f]{64}$/.test(id) || !specSha256) return undefined
  const rows = { executionId, stepExecutionId, attempt: Number(attempt), outputDay, scopeId, specSha256 }
  return { host, id, rows, atMs: Date.parse(at) }
}
