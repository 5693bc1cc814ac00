/** PATCH /hosts/{hostId}/labels: sets labels, and takes away those given as null. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import type { HostId } from '../../domain/id.js'
import { labelFault } from '../../domain/target.js'
import { updateLabels } from '../../store/postgres/hosts.js'
import { operation } from '../operation.js'
import { mustFindHost } from './find-host.js'
import { hostParams, hostSchema, hostView } from './schema.js'

const LABELS_MAX = 64

export const setHostLabels = operation({
  name: 'set-host-labels',
  method: 'patch',
  path: '/hosts/{hostId}/labels',
  policy: 'host.label',
  summary: 'Set or remove labels of a host',
  params: hostParams,
  body: z.strictObject({
    labels: z
      .record(z.string(), z.string().nullable())
      .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`)
      .describe('null takes the label away; labels that are not named stay.'),
  }),
  response: hostSchema,
  errors: ['host_unknown', 'host_revoked'],
  audit: ({ params, body }) => ({ resource: `host/${params.hostId}`, detail: { labels: body.labels } }),
  async write({ scope, params, body }, tx) {
    checkLabels(body.labels)
    const host = await mustFindHost(tx, scope.id, params.hostId)
    if (host.state === 'revoked')
      throw new PlatformError(
        'host_revoked',
        `host ${host.name} was revoked; label the one that has its name now`,
      )
    await updateLabels(tx, scope.id, params.hostId as HostId, body.labels)
    return hostView(await mustFindHost(tx, scope.id, params.hostId))
  },
})

/** @throws PlatformError request_invalid */
export function checkLabels(labels: Readonly<Record<string, string | null>>): void {
  for (const [key, value] of Object.entries(labels)) {
    const fault = labelFault(key, value ?? '')
    if (fault) throw new PlatformError('request_invalid', `body.labels: ${fault}`)
  }
}
