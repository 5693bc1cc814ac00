/** Normalising as a stream: however it is cut, however often it is done, and whatever a hostile script writes. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import {
  LINE_MAX_BYTES,
  NORMALISED_MAX_BYTES,
  NormalisedHash,
  Normaliser,
  ownNames,
  type Perspective,
} from './normalise'
import { rules } from './normalise-rules'

const aroundMs = Date.UTC(2026, 10, 22, 0, 42, 46)
const perspective: Perspective = { names: ownNames(['web-07', 'pid', 'took.session']), aroundMs }

function normalise(pieces: readonly Buffer[], from = perspective): Buffer {
  const parts: Buffer[] = []
  const normaliser = new Normaliser(from, (part) => parts.push(Buffer.from(part)))
  for (const piece of pieces) {
    // As the agent does: the same buffer is filled again and again.
    const shared = Buffer.from(piece)
    normaliser.update(shared)
    shared.fill(0)
  }
  normaliser.end()
  return Buffer.concat(parts)
}

function hashOf(text: string, from = perspective): string {
  const hash = new NormalisedHash(from)
  hash.update(Buffer.from(text))
  return hash.digest()
}

// What the rules look for, whole and torn, and what stands around it: all joints between them come up.
const shreds = [
  ...rules.flatMap((rule) => rule.examples),
  ...rules.flatMap((rule) => rule.examples.map((text) => text.slice(0, text.length >> 1))),
  ...rules.flatMap((rule) => rule.examples.map((text) => text.slice(text.length >> 1))),
  ...'\0 t h . , : - / _ [ ] ( ) = # " 1 12 0 a f x T Z +0100 , 123 ]: \r \n \t pid took session web-07 tmp. real é'.split(
    ' ',
  ),
  ' ',
  '  ',
]
const lines = fc
  .array(fc.constantFrom(...shreds), { maxLength: 24 })
  .map((parts) => Buffer.from(parts.join('')))
const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 6 })

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => Math.min(place, bytes.length)))].sort((a, b) => a - b)
  return [0, ...places].map((from, n) => bytes.subarray(from, places[n] ?? bytes.length))
}

describe('normalising', () => {
  it('does the same however the output was cut into pieces', () => {
    fc.assert(
      fc.property(lines, cuts, (bytes, at) => {
        expect(normalise(cut(bytes, at)).equals(normalise([bytes]))).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  it('changes nothing when it is done again', () => {
    fc.assert(
      fc.property(lines, (bytes) => {
        const once = normalise([bytes])
        expect(normalise([once]).toString('latin1')).toBe(once.toString('latin1'))
      }),
      { numRuns: 10_000 },
    )
  })

  // Where one part has gone, its neighbour must not look other than before.
  it.each([
    '3f2b8c1e-9d47-4e55-8a0b-6c2f1d7e9a34:0:00:01.234',
    '1795308166.2026-11-22T00:42:46Z',
    'web-07:00:42:46',
    'web-07[12]:pid 4711',
  ])('changes nothing when it is done again with %s', (text) => {
    const once = normalise([Buffer.from(text)])
    expect(once.toString()).not.toBe(text)
    expect(normalise([once]).toString()).toBe(once.toString())
  })

  it('takes each line for itself', () => {
    fc.assert(
      fc.property(lines, lines, (one, two) => {
        const both = normalise([one, Buffer.from('\n'), two])
        expect(both.equals(Buffer.concat([normalise([one]), Buffer.from('\n'), normalise([two])]))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  it('gives hosts that differ in times, ids and their names one hash, and others another', () => {
    const written = (host: string, second: string, pid: number, rest = 'ok') =>
      `2026-11-22T00:42:${second}Z ${host} app[${pid}]: ${rest}\n`
    const of = (host: string, text: string) => hashOf(text, { names: ownNames([host]), aroundMs })
    const one = of('web-1', written('web-1', '01', 17))
    expect(of('web-22', written('web-22.lan', '59.123', 4711).replace('.lan', ''))).toBe(one)
    expect(of('web-3', written('web-3', '01', 17, 'full'))).not.toBe(one)
  })

  it('is the plain sha256 where there is nothing to take out', () => {
    const text = 'port=80\nworkers=4\n'
    expect(hashOf(text)).toBe(createHash('sha256').update(text).digest('hex'))
    expect(hashOf('')).toBe(createHash('sha256').digest('hex'))
  })

  it('leaves a line alone that is too long to hold, and the next one not', () => {
    const time = '00:42:46 '
    const limit = (length: number) => `${time}${'x'.repeat(length - time.length)}`
    const fits = Buffer.from(`${limit(LINE_MAX_BYTES)}\n${time}\n`)
    const tooLong = Buffer.from(`${limit(LINE_MAX_BYTES + 1)}\n${time}\n`)
    for (const size of [1, 4_096, 16_384, 16_385, 100_000]) {
      const pieces = (bytes: Buffer) =>
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
          bytes.subarray(n * size, (n + 1) * size),
        )
      expect(normalise(pieces(fits)).toString()).toBe(`\0t ${'x'.repeat(LINE_MAX_BYTES - 9)}\n\0t \n`)
      expect(normalise(pieces(tooLong)).toString()).toBe(`${limit(LINE_MAX_BYTES + 1)}\n\0t \n`)
    }
  })

  it('compares what follows the first MiB as it is, also where that is reached in the middle of a piece', () => {
    const line = `00:42:46 ${'x'.repeat(89)}\n`
    const bytes = Buffer.from(line.repeat(15_000))
    const whole = normalise([bytes])
    const normal = Math.ceil(NORMALISED_MAX_BYTES / (line.length - 6))
    expect(whole.length).toBe(bytes.length - normal * 6)
    for (const at of [[1], [NORMALISED_MAX_BYTES], [500_000, 1_100_000, 1_200_007]])
      expect(normalise(cut(bytes, at)).equals(whole)).toBe(true)
    expect(normalise([whole]).equals(whole)).toBe(true)
  })

  it.each([
    ['digits', '1'],
    ['hex digits', 'deadbeef'],
    ['blanks', ' '],
    ['brackets', '['],
    ['points', '1.'],
    ['colons', '12:'],
    ['times that lack a digit', 'Nov 22 00:42:4 '],
    ['ids that lack a digit', '3f2b8c1e-9d47-4e55-8a0b-6c2f1d7e9a3 '],
    ['words that ask for an id', 'request_id='],
    ['words that ask for a pid', 'pid '],
    ['words that ask for a duration', 'took 1m '],
    ['line ends', '\n'],
    ['carriage returns', '\r'],
  ])('takes hostile %s in time by their length', (_what, shred) => {
    const took = (bytes: number) => {
      const hostile = Buffer.from(shred.repeat(Math.ceil(bytes / shred.length)).slice(0, bytes))
      const lines =
        shred === '\n' ? hostile : Buffer.from(hostile.map((byte, n) => (n % 16_000 === 15_999 ? 10 : byte)))
      const from = performance.now()
      normalise([lines])
      return performance.now() - from
    }
    // A generous bound: this takes a tenth of a second at most where nothing else runs, and hours if it backtracks.
    expect(took(512 * 1024)).toBeLessThan(5_000)
  })
})
