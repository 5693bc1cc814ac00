/** HTTP ranges: which bytes of a stream a client asks for. */
import { PlatformError } from '../../domain/errors.js'

export interface ByteRange {
  /** First byte, and the one after the last. */
  from: number
  to: number
}

/**
 * The range of a `Range` header in `total` bytes; undefined for all of them, which may be none.
 * @throws PlatformError range_invalid if it names no byte, or is not one range of bytes
 */
export function parseRange(header: string | undefined, total: number): ByteRange | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim())
  const [, first = '', last = ''] = match ?? []
  if (!match || (first === '' && last === '')) {
    throw new PlatformError(
      'range_invalid',
      'the Range header should be one range of bytes, as bytes=0-1023, bytes=1024- or bytes=-500',
      { details: { total } },
    )
  }
  // Whoever asks for the begin of what may still come is not wrong: there is just nothing yet.
  if (total === 0 && Number(first) === 0) return undefined
  const from = first === '' ? Math.max(0, total - Number(last)) : Number(first)
  const to = first === '' || last === '' ? total : Math.min(total, Number(last) + 1)
  if (from >= to)
    throw new PlatformError(
      'range_invalid',
      `the range ${header.trim()} names no byte: there are ${total} so far`,
      { details: { total } },
    )
  return { from, to }
}
