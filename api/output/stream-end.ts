/** How much of a stream is kept, and whether that is all there will be. */
import { isFinalHostState } from '../../domain/host-result.js'
import { dispatchKey } from '../../store/log/dispatch-key.js'
import { CHUNK_MAX_BYTES, type OutputLog, type Stream, type StreamKey } from '../../store/log/output.js'
import type { HostResult } from '../../store/postgres/host-results.js'

export function streamKey(
  day: string,
  stepExecutionId: string,
  result: { attempt: number; hostId: string },
  stream: Stream,
): StreamKey {
  return { day, dispatch: dispatchKey(stepExecutionId, result.attempt, result.hostId), stream }
}

/** Bytes that the host said it wrote; null while it has not said. */
export function saidBytes(
  result: Pick<HostResult, 'stdoutBytes' | 'stderrBytes'>,
  stream: Stream,
): number | null {
  return stream === 'stdout' ? result.stdoutBytes : result.stderrBytes
}

/** @returns bytes kept without a gap from the start, and whether no more will come */
export async function findEnd(
  log: OutputLog,
  key: StreamKey,
  result: HostResult,
): Promise<{ bytes: number; complete: boolean }> {
  const said = saidBytes(result, key.stream)
  const final = isFinalHostState(result.state)
  // The end alone tells: chunks are kept in order, so the last one stands only after all before it.
  const bytes = await log.contiguousEnd(key, final && said ? Math.max(0, said - CHUNK_MAX_BYTES) : 0)
  return { bytes, complete: final && bytes >= (said ?? 0) }
}
