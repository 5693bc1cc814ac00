/** Output of scripts, as bytes in the order they were written: documents of at most 64 KiB in one collection a day. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { constants, inflateRawSync } from 'node:zlib'
import { Binary, type Collection, type Db, Long, MongoBulkWriteError, MongoServerError } from 'mongodb'
import { deflate, inflatedLength } from '../../base/deflate.js'

export type Stream = 'stdout' | 'stderr'

/** One stream of one attempt on one host. */
export interface StreamKey {
  /** yyyymmdd of the execution. */
  day: string
  /** Dispatch id, hex. */
  dispatch: string
  stream: Stream
}

export interface Chunk extends StreamKey {
  offset: number
  data: Buffer
  /** Not 0 or left out: `data` is a raw deflate of so many bytes. It is kept as it is, and looked into by readers. */
  inflatedBytes?: number
}

interface ChunkDocument {
  /** `dispatch:stream:offset`: the same chunk sent twice is one document. */
  _id: string
  /** `dispatch:stream:bucket`: documents are found by equality, for not every server of this protocol pushes ranges down. */
  k: string
  /** Offset of the first byte. */
  o: Long
  /** Bytes before deflating, as its host says. */
  n: number
  /** Raw deflate, or the bytes themselves if they came so. */
  d: Binary
  /** Whether `d` is deflated. */
  z: boolean
}

/** What a reader fetched, inflated. */
interface Piece {
  offset: number
  data: Buffer
}

// A reader fetches by the bucket: large enough for few queries, small enough to hold some in memory.
const BUCKET_BYTES = 1024 * 1024

/** Longest chunk; one that starts in a bucket reaches at most this far into the next. */
export const CHUNK_MAX_BYTES = 64 * 1024

/** How far a reader fetches ahead; with the bucket that it gives out, what it may hold. */
const AHEAD_BYTES = 3 * BUCKET_BYTES

/**
 * A tenth of a millisecond for 64 KiB, less than handing it to another thread takes.
 * @param bytes how many come out, as its host says
 * @returns so many bytes, always: a remark in place of those that a host did not deflate as it said
 */
function inflate(deflated: Buffer, bytes: number): Buffer {
  const chunkSize = Math.max(constants.Z_MIN_CHUNK, bytes + 1)
  try {
    const inflated = inflateRawSync(deflated, { chunkSize, maxOutputLength: bytes })
    if (inflated.length === bytes) return inflated
  } catch (error) {
    if (!isOfData(error)) throw error
  }
  return Buffer.alloc(bytes, '[sent by its host in a form that cannot be read]\n')
}

/** How zlib says that it was no deflate, that it was cut off, or that more came than was said. */
const DATA_ERRORS = ['Z_DATA_ERROR', 'Z_BUF_ERROR', 'Z_NEED_DICT', 'ERR_BUFFER_TOO_LARGE']
const isOfData = (error: unknown) =>
  DATA_ERRORS.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '')

/** Of how many streams it is remembered how far they got. */
const REACHED_MAX = 1_000

const bucketStart = (offset: number) => offset - (offset % BUCKET_BYTES)

const idOf = (key: StreamKey, offset: number) =>
  `${key.dispatch}:${key.stream}:${String(offset).padStart(15, '0')}`
const bucketOf = (key: StreamKey, offset: number) =>
  `${key.dispatch}:${key.stream}:${Math.floor(offset / BUCKET_BYTES)}`

/** Runs of chunks that touch each other and fit into one document together. */
function smallRuns<C extends { offset: number; end: number }>(chunks: readonly C[]): C[][] {
  const runs: C[][] = []
  let run: C[] = []
  for (const chunk of chunks) {
    const [first] = run
    const last = run.at(-1)
    const fits = first && last && chunk.offset === last.end && chunk.end - first.offset <= CHUNK_MAX_BYTES
    if (!fits) {
      run = []
      runs.push(run)
    }
    run.push(chunk)
  }
  return runs
}

/** The buckets in which chunks around `offset` begin: its own, and the one before if a chunk may reach over from there. */
function bucketsAt(key: StreamKey, offset: number): string[] {
  const keys = [bucketOf(key, offset)]
  if (offset % BUCKET_BYTES < CHUNK_MAX_BYTES && offset >= BUCKET_BYTES)
    keys.unshift(bucketOf(key, offset - BUCKET_BYTES))
  return keys
}

export class OutputLog {
  private readonly indexed = new Map<string, Promise<unknown>>()
  /** Where streams ended when they were last asked for, the latest last. */
  private readonly reached = new Map<string, number>()
  private readonly db: Db
  private readonly connect: () => Promise<unknown>

  /** @param connect makes sure that the server has been reached once; without effect afterwards */
  constructor(db: Db, connect: () => Promise<unknown>) {
    this.db = db
    this.connect = connect
  }

  /**
   * Stores chunks; what is there already is left as it is. A chunk that begins where a shorter one is stored (it was sent
   * again, and more had been written meanwhile) is stored from that one's end on. Resolves when all are durable. Empty ones
   * would stand in the way of what comes at their place, and are left out.
   */
  async insert(chunks: readonly Chunk[]): Promise<void> {
    const byDay = new Map<string, Chunk[]>()
    for (const chunk of chunks) {
      if (inflatedLength(chunk) === 0) continue
      const list = byDay.get(chunk.day)
      if (list) list.push(chunk)
      else byDay.set(chunk.day, [chunk])
    }
    for (const [day, list] of byDay) await this.insertDay(day, list)
  }

  private async insertDay(day: string, chunks: Chunk[]): Promise<void> {
    const collection = await this.collection(day)
    for (let left = chunks; left.length; ) {
      try {
        await collection.insertMany(left.map(toDocument), { ordered: false })
        return
      } catch (error) {
        const taken = duplicatesOf(error)
        if (!taken) throw error
        left = await this.restOf(
          collection,
          taken.flatMap((index) => left[index] ?? []),
        )
      }
    }
  }

  /** Of chunks whose place is taken: what lies beyond the stored ones. */
  private async restOf(collection: Collection<ChunkDocument>, chunks: readonly Chunk[]): Promise<Chunk[]> {
    const found = await Promise.all(
      chunks.map((chunk) => collection.findOne({ _id: idOf(chunk, chunk.offset) }, { projection: { n: 1 } })),
    )
    // An empty one would be in the way for ever; a gateway of before may have stored it.
    const empty = found.flatMap((document) => (document?.n === 0 ? [document._id] : []))
    if (empty.length) await collection.deleteMany({ _id: { $in: empty } })
    const longer = chunks.flatMap((chunk, index) => {
      const stored = found[index]?.n ?? 0
      return stored < inflatedLength(chunk) ? [{ chunk, stored }] : []
    })
    return inTurns(longer, ({ chunk, stored }) => beyond(chunk, stored), inflatedLength)
  }

  /**
   * The end of what is stored without a gap. How far it got is remembered for the streams that were asked for last: who follows
   * a long one asks again and again.
   * @param hint up to where its sender believes it is, checked before it is used
   */
  async contiguousEnd(key: StreamKey, hint: number): Promise<number> {
    const name = `${key.dispatch}:${key.stream}`
    let end =
      (await this.confirmedEnd(key, hint)) || (await this.confirmedEnd(key, this.reached.get(name) ?? 0))
    for (;;) {
      const chunks = await this.ends(key, end)
      const reached = chunks.reduce((at, chunk) => (chunk.offset <= at ? Math.max(at, chunk.end) : at), end)
      if (reached === end) break
      end = reached
    }
    this.reached.delete(name)
    this.reached.set(name, end)
    for (const oldest of this.reached.keys()) {
      if (this.reached.size <= REACHED_MAX) break
      this.reached.delete(oldest)
    }
    return end
  }

  /** `hint` where something is stored up to there, else 0. */
  private async confirmedEnd(key: StreamKey, hint: number): Promise<number> {
    if (hint === 0) return 0
    const chunks = await this.ends(key, hint - 1)
    return chunks.some((chunk) => chunk.offset < hint && chunk.end >= hint) ? hint : 0
  }

  /**
   * Rewrites a stream that has ended in as few documents as its bytes need. Readers never miss a byte meanwhile: the first
   * document of a run of small ones takes in the others before they are removed, and what lies under it is skipped.
   */
  async merge(key: StreamKey, end: number): Promise<void> {
    const collection = await this.collection(key.day)
    for (let bucket = 0; bucket < end; bucket += BUCKET_BYTES) {
      const chunks = await this.chunksOf(key, [bucketOf(key, bucket)])
      for (const run of smallRuns(chunks)) {
        const [first, ...rest] = run
        if (!first || !rest.length) continue
        const parts = await inTurns(
          run,
          (chunk) => chunk.bytes(),
          (bytes) => bytes.length,
        )
        const data = Buffer.concat(parts)
        const { _id, ...merged } = toDocument({ ...key, offset: first.offset, ...deflate(data) })
        await collection.replaceOne({ _id }, merged)
        await collection.bulkWrite(
          rest.map((chunk) => ({ deleteOne: { filter: { _id: idOf(key, chunk.offset) } } })),
        )
      }
    }
  }

  /** Where the chunks around `offset` begin and end; not their bytes. */
  private async ends(key: StreamKey, offset: number): Promise<{ offset: number; end: number }[]> {
    const collection = await this.collection(key.day)
    const found = await Promise.all(
      bucketsAt(key, offset).map((k) => collection.find({ k }, { projection: { o: 1, n: 1 } }).toArray()),
    )
    return found
      .flat()
      .map((document) => ({ offset: Number(document.o), end: Number(document.o) + document.n }))
      .sort((a, b) => a.offset - b.offset)
  }

  /**
   * The bytes from `from` up to `to` (exclusive), in pieces, ending early where nothing more is stored. While one bucket is
   * given out the next ones are fetched: asking for one takes longer than sending it.
   */
  async *read(key: StreamKey, from: number, to = Number.MAX_SAFE_INTEGER): AsyncGenerator<Buffer> {
    const ahead = new Map<number, Promise<Piece[]>>()
    let at = from
    let pieces = this.pieces(key, bucketsAt(key, from), { from, to })
    for (;;) {
      const here = await pieces
      const before = at
      const next = bucketStart(at) + BUCKET_BYTES
      // Nothing is fetched ahead of what is still being written.
      if (here.some(({ offset, data }) => offset + data.length >= next)) {
        for (let start = next; start < Math.min(to, next + AHEAD_BYTES); start += BUCKET_BYTES) {
          // What begins before a bucket and reaches into it is among the pieces of the one before.
          const fetched = ahead.get(start) ?? this.pieces(key, [bucketOf(key, start)], { from: start, to })
          // Whoever stops reading leaves it behind.
          fetched.catch(() => undefined)
          ahead.set(start, fetched)
        }
      }
      for (const { offset, data } of here) {
        const bytes = data.subarray(Math.max(0, at - offset), Math.max(0, to - offset))
        if (offset > at || !bytes.length) continue
        at += bytes.length
        yield bytes
      }
      // A gap may be what a merge has just moved into one document: it is looked for once more.
      if (at >= to || at === before) return
      const start = bucketStart(at)
      pieces = ahead.get(start) ?? this.pieces(key, bucketsAt(key, at), { from: at, to })
      ahead.delete(start)
    }
  }

  /** The bytes of what lies within the range, by where it begins. */
  private async pieces(
    key: StreamKey,
    buckets: readonly string[],
    { from, to }: { from: number; to: number },
  ): Promise<Piece[]> {
    const chunks = await this.chunksOf(key, buckets)
    const wanted = chunks.filter((chunk) => chunk.end > from && chunk.offset < to)
    return inTurns(
      wanted,
      (chunk) => ({ offset: chunk.offset, data: chunk.bytes() }),
      (piece) => piece.data.length,
    )
  }

  /** The chunks that begin in these buckets, in order. */
  private async chunksOf(key: StreamKey, buckets: readonly string[]) {
    const collection = await this.collection(key.day)
    const found = await Promise.all(
      buckets.map((k) => collection.find({ k }, { promoteLongs: true }).toArray()),
    )
    return found
      .flat()
      .map((document) => ({
        offset: Number(document.o),
        end: Number(document.o) + document.n,
        bytes: () => {
          const stored = Buffer.from(document.d.buffer.subarray(0, document.d.length()))
          return document.z ? inflate(stored, document.n) : stored
        },
      }))
      .sort((a, b) => a.offset - b.offset)
  }

  private async collection(day: string): Promise<Collection<ChunkDocument>> {
    await this.connect()
    const collection = this.db.collection<ChunkDocument>(`output_${day}`)
    let ready = this.indexed.get(day)
    if (!ready) {
      ready = collection.createIndex({ k: 1 }).catch(unlessThere)
      this.indexed.set(day, ready)
      ready.catch(() => this.indexed.delete(day))
    }
    await ready
    return collection
  }
}

/**
 * FerretDB makes an index and then takes it down as made: killed between the two, it refuses ever after to make what is there
 * (chaos, seed 500, kill 475). What its questions use was made with it (stack/embedded/mongo.ts).
 */
function unlessThere(error: unknown): void {
  if (error instanceof MongoServerError && /relation "[^"]*_idx" already exists/.test(error.message)) return
  throw error
}

/** What one turn of the event loop inflates, and what a piece counts at least. */
const TURN_BYTES = CHUNK_MAX_BYTES
const LEAST_BYTES = 2 * 1024

/** Makes something of each item, so many bytes a turn of the event loop. */
async function inTurns<T, R>(
  items: readonly T[],
  make: (item: T) => R,
  bytesOf: (made: R) => number,
): Promise<R[]> {
  const made: R[] = []
  let bytes = 0
  for (const item of items) {
    const one = make(item)
    made.push(one)
    bytes += Math.max(bytesOf(one), LEAST_BYTES)
    if (bytes < TURN_BYTES) continue
    bytes = 0
    await nextTurn()
  }
  return made
}

/** What a chunk has beyond its first bytes. */
function beyond(chunk: Chunk, bytes: number): Chunk {
  const data = chunk.inflatedBytes ? inflate(chunk.data, chunk.inflatedBytes) : chunk.data
  return { ...chunk, offset: chunk.offset + bytes, ...deflate(data.subarray(bytes)) }
}

function toDocument(chunk: Chunk): ChunkDocument {
  return {
    _id: idOf(chunk, chunk.offset),
    k: bucketOf(chunk, chunk.offset),
    o: Long.fromNumber(chunk.offset),
    n: inflatedLength(chunk),
    d: new Binary(chunk.data),
    z: Boolean(chunk.inflatedBytes),
  }
}

const DUPLICATE_KEY = 11000

/** The places of the documents that were there already; undefined if something else went wrong too. */
function duplicatesOf(error: unknown): number[] | undefined {
  if (!(error instanceof MongoBulkWriteError)) return undefined
  const faults = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  if (!faults.length || faults.some((fault) => fault.code !== DUPLICATE_KEY)) return undefined
  return faults.map((fault) => fault.index)
}
