/** What a chunk of output may say: enough to bound what it costs, for it is not looked into. */
import { inflatedLength } from '../../base/deflate.js'
import { OUTPUT_CAP_BYTES } from '../../domain/script.js'
import { CHUNK_BYTES, type OutputChunk } from '../../proto/index.js'

/** No deflate comes to more for each of its bytes (zlib's technical details, "Maximum Compression Factor"). */
const MOST_INFLATED = 1_032

/** Whether its length, what it says of it and its place are what an agent's can be. */
export function isSound(chunk: OutputChunk): boolean {
  const length = inflatedLength(chunk)
  const sent = chunk.data.length
  return (
    sent > 0 &&
    sent <= length &&
    length <= Math.min(CHUNK_BYTES, sent * MOST_INFLATED) &&
    chunk.offset < OUTPUT_CAP_BYTES
  )
}
