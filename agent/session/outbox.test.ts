/** What may be under way: control at once, output within the window and at the pace of the transport. */
import { inflateRawSync } from 'node:zlib'
import { CHUNK_BYTES, type OutputChunk, type SessionRequest } from '../../proto/index.js'
import { Outbox } from './outbox.js'

const chunk = (bytes: number): OutputChunk => ({
  dispatchId: Buffer.alloc(32),
  stream: 1,
  offset: 0n,
  data: Buffer.alloc(bytes),
  atMs: 0n,
  inflatedBytes: 0,
})

function makeOutbox(chunks: number, bytes: number) {
  const written: SessionRequest[] = []
  const done: (() => void)[] = []
  let left = chunks
  const wire = {
    write(message: SessionRequest, taken: () => void) {
      written.push(message)
      done.push(taken)
      return true
    },
  }
  const outbox = new Outbox(wire, (max) =>
    Promise.resolve(left-- > 0 ? chunk(Math.min(max, bytes)) : undefined),
  )
  const kinds = () => written.map((message) => message.message?.$case)
  const sizes = () =>
    written.flatMap(({ message }) => (message?.$case === 'outputChunk' ? [message.value.data.length] : []))
  const bytesSent = () => sizes().reduce((sum, size) => sum + size, 0)
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  const takeAll = async () => {
    while (done.length) {
      for (const taken of done.splice(0)) taken()
      await settle()
    }
  }
  return { outbox, written, kinds, sizes, bytesSent, settle, takeAll }
}

const hello = { $case: 'taskUpdate', value: {} } as unknown as NonNullable<SessionRequest['message']>

describe('the outbox', () => {
  it('sends no output before there is a window', async () => {
    const { outbox, kinds, settle } = makeOutbox(3, 100)
    outbox.poke()
    await settle()
    expect(kinds()).toEqual([])
  })

  it('stays within the window, and goes on as it is acknowledged', async () => {
    const { outbox, bytesSent, takeAll, settle } = makeOutbox(100, 400)
    outbox.setWindow(1_000)
    await settle()
    await takeAll()
    expect(bytesSent()).toBe(800)
    outbox.acknowledged(300)
    await settle()
    await takeAll()
    expect(bytesSent()).toBe(1_200)
  })

  it('sends whole chunks however little is acknowledged at a time', async () => {
    const { outbox, sizes, takeAll, settle } = makeOutbox(1_000, CHUNK_BYTES)
    outbox.setWindow(10.5 * CHUNK_BYTES)
    for (let n = 0; n < 200; n++) {
      await settle()
      await takeAll()
      outbox.acknowledged(1_000)
    }
    await takeAll()
    expect(sizes().length).toBeGreaterThan(12)
    expect(new Set(sizes())).toEqual(new Set([CHUNK_BYTES]))
  })

  it('hands at most four chunks to a transport that takes none, and control passes', async () => {
    const { outbox, kinds, settle, takeAll } = makeOutbox(100, 10)
    outbox.setWindow(1_000_000)
    for (let n = 0; n < 10; n++) await settle()
    outbox.control(hello)
    expect(kinds()).toEqual(['outputChunk', 'outputChunk', 'outputChunk', 'outputChunk', 'taskUpdate'])
    await takeAll()
    expect(kinds().length).toBe(101)
  })

  it('deflates for a gateway that takes that, and counts what it inflates to against the window', async () => {
    const { outbox, written, takeAll, settle } = makeOutbox(100, CHUNK_BYTES)
    outbox.deflates = true
    outbox.setWindow(3 * CHUNK_BYTES)
    await settle()
    await takeAll()
    const chunks = written.flatMap(({ message }) => (message?.$case === 'outputChunk' ? [message.value] : []))
    expect(chunks.map(({ inflatedBytes }) => inflatedBytes)).toEqual([CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES])
    for (const { data } of chunks) {
      expect(data.length).toBeLessThan(CHUNK_BYTES / 100)
      expect(inflateRawSync(data)).toEqual(Buffer.alloc(CHUNK_BYTES))
    }
  })

  it('leaves as they are the few bytes that deflating would not make fewer', async () => {
    const { outbox, written, settle } = makeOutbox(1, 511)
    outbox.deflates = true
    outbox.setWindow(CHUNK_BYTES)
    await settle()
    expect(written[0]?.message).toEqual({ $case: 'outputChunk', value: chunk(511) })
  })

  it('is silent once it is closed', async () => {
    const { outbox, kinds, settle } = makeOutbox(10, 10)
    outbox.close()
    outbox.setWindow(1_000)
    outbox.control(hello)
    await settle()
    expect(kinds()).toEqual([])
  })
})
