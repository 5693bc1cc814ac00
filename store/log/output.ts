/** Output of scripts, as bytes in the order they were written: documents of at most 64 KiB in one collection a day. */
import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import { Binary, type Collection, type Db, Long, MongoBulkWriteError } from 'mongodb'

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

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
}

interface ChunkDocument {
  /** `dispatch:stream:offset`: the same chunk sent twice is one document. */
  _id: string
  /** `dispatch:stream:bucket`: documents are found by equality, for not every server of this protocol pushes ranges down. */
  k: string
  /** Offset of the first byte. */
  o: Long
  /** Bytes before deflating. */
  n: number
  /** Raw deflate, or the bytes themselves where that is shorter. */
  d: Binary
  /** Whether `d` is deflated. */
  z: boolean
}

// A reader fetches one bucket at a time: large enough for few queries, small enough to hold in memory.
const BUCKET_BYTES = 1024 * 1024

/** Longest chunk; one that starts in a bucket reaches at most this far into the next. */
export const CHUNK_MAX_BYTES = 64 * 1024

const idOf = (key: StreamKey, offset: number) =>
  `${key.dispatch}:${key.stream}:${String(offset).padStart(15, '0')}`
const bucketOf = (key: StreamKey, offset: number) =>
  `${key.dispatch}:${key.stream}:${Math.floor(offset / BUCKET_BYTES)}`

export class OutputLog {
  private readonly indexed = new Map<string, Promise<unknown>>()
  private readonly db: Db

  constructor(db: Db) {
    this.db = db
  }

  /** Stores chunks; those that are there already are left as they are. Resolves when all are durable. */
  async insert(chunks: readonly Chunk[]): Promise<void> {
    const byDay = new Map<string, Chunk[]>()
    for (const chunk of chunks) byDay.set(chunk.day, [...(byDay.get(chunk.day) ?? []), chunk])
    for (const [day, list] of byDay) {
      const collection = await this.collection(day)
      const documents = await Promise.all(list.map(toDocument))
      try {
        await collection.insertMany(documents, { ordered: false })
      } catch (error) {
        if (!isOnlyDuplicates(error)) throw error
      }
    }
  }

  /** The end of what is stored without a gap from `from`, which must itself be stored or 0. */
  async contiguousEnd(key: StreamKey, from: number): Promise<number> {
    let end = from
    for (;;) {
      const reached = (await this.bucket(key, end)).reduce(
        (at, chunk) => (chunk.offset <= at ? Math.max(at, chunk.end) : at),
        end,
      )
      if (reached === end) return end
      end = reached
    }
  }

  /** The bytes from `from` up to `to` (exclusive), in pieces, ending early where nothing more is stored. */
  async *read(key: StreamKey, from: number, to = Number.MAX_SAFE_INTEGER): AsyncGenerator<Buffer> {
    let at = from
    while (at < to) {
      const before = at
      for (const chunk of await this.bucket(key, at)) {
        if (chunk.offset > at || chunk.end <= at) continue
        const bytes = (await chunk.bytes()).subarray(
          at - chunk.offset,
          Math.min(chunk.end, to) - chunk.offset,
        )
        at += bytes.length
        yield bytes
        if (at >= to) return
      }
      if (at === before) return
    }
  }

  /** Chunks that start in the bucket of `offset`, or in the one before and may reach into it; in order. */
  private async bucket(key: StreamKey, offset: number) {
    const collection = await this.collection(key.day)
    const keys = [bucketOf(key, offset)]
    if (offset % BUCKET_BYTES < CHUNK_MAX_BYTES && offset >= BUCKET_BYTES)
      keys.unshift(bucketOf(key, offset - BUCKET_BYTES))
    const found = await Promise.all(keys.map((k) => collection.find({ k }, { promoteLongs: true }).toArray()))
    return found
      .flat()
      .map((document) => ({
        offset: Number(document.o),
        end: Number(document.o) + document.n,
        bytes: async () => {
          const stored = Buffer.from(document.d.buffer.subarray(0, document.d.length()))
          return document.z ? inflate(stored) : stored
        },
      }))
      .sort((a, b) => a.offset - b.offset)
  }

  private async collection(day: string): Promise<Collection<ChunkDocument>> {
    const collection = this.db.collection<ChunkDocument>(`output_${day}`)
    let ready = this.indexed.get(day)
    if (!ready) {
      ready = collection.createIndex({ k: 1 })
      this.indexed.set(day, ready)
      ready.catch(() => this.indexed.delete(day))
    }
    await ready
    return collection
  }
}

async function toDocument(chunk: Chunk): Promise<ChunkDocument> {
  const deflated = await deflate(chunk.data, { level: 1 })
  const z = deflated.length < chunk.data.length
  return {
    _id: idOf(chunk, chunk.offset),
    k: bucketOf(chunk, chunk.offset),
    o: Long.fromNumber(chunk.offset),
    n: chunk.data.length,
    d: new Binary(z ? deflated : chunk.data),
    z,
  }
}

const DUPLICATE_KEY = 11000

function isOnlyDuplicates(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError)) return false
  const faults = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  return faults.length > 0 && faults.every((fault) => fault.code === DUPLICATE_KEY)
}
