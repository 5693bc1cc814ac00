/** Output as it is compared: what is other on every host by its nature is taken out, and shown as taken out. */
import { once } from 'node:events'
import type { Response } from 'express'
import { Normaliser, ownNames, type Perspective, showKinds } from '../../base/normalise.js'
import type { HostId } from '../../domain/id.js'
import { findSelf } from '../../store/postgres/output-groups.js'
import type { Db } from '../../store/postgres/pool.js'
import type { StepKey } from '../executions/find-execution.js'

/** As the host's agent had it, as far as the control plane knows. */
export async function findPerspective(db: Db, step: StepKey, hostId: string): Promise<Perspective> {
  const { names, startedAt } = await findSelf(db, step, hostId as HostId)
  return { names: ownNames(names), aroundMs: (startedAt ?? new Date()).getTime() }
}

/** Sends `source` normalised, piece by piece. */
export async function sendNormalised(
  source: AsyncIterable<Buffer>,
  perspective: Perspective,
  to: { response: Response; ended: AbortSignal },
): Promise<void> {
  const { response, ended } = to
  if (response.req.method === 'HEAD') return void response.end()
  let parts: Buffer[] = []
  const normaliser = new Normaliser(perspective, (part) => parts.push(showKinds(part)))
  const send = async () => {
    // A copy: what passes through as it was is the reader's buffer.
    const bytes = Buffer.concat(parts)
    parts = []
    if (bytes.length && !response.write(bytes)) await once(response, 'drain', { signal: ended })
  }
  for await (const bytes of source) {
    if (ended.aborted) return void response.destroy()
    normaliser.update(bytes)
    await send()
  }
  normaliser.end()
  await send()
  response.end()
}
