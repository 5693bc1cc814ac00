/** POST /hosts/upgrade: orders agents to change to an uploaded version. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { checkConfirm, checkSize } from '../../domain/launch.js'
import { foldNodeset } from '../../domain/nodeset.js'
import { findAgentBundle } from '../../store/postgres/agent-bundles.js'
import { sendHint } from '../../store/postgres/hints.js'
import { insertUpgrades } from '../../store/postgres/upgrades.js'
import { versionField } from '../agent-bundles/schema.js'
import { operation } from '../operation.js'
import { findTargetHosts, targetField } from './targets.js'

const HOUR_MS = 3_600_000

export const upgradeHosts = operation({
  name: 'upgrade-hosts',
  method: 'post',
  path: '/hosts/upgrade',
  policy: 'host.upgrade',
  summary: 'Upgrade the agents of hosts to an uploaded version',
  description:
    'Each host gets a signed order; its supervisor goes back to the old version if the new one gets no session. How it went is in `upgrade` of each host.',
  body: z.strictObject({
    target: targetField,
    version: versionField,
    confirm: z.int().min(1).optional().describe('How many hosts you expect; needed above 100.'),
    atOnce: z.int().min(1).max(10_000).default(25).describe('How many hosts are changed at the same time.'),
    maxFailures: z
      .int()
      .min(0)
      .max(50_000)
      .default(0)
      .describe('If more hosts than this fall back, no more are begun.'),
    probationMs: z
      .int()
      .min(1_000)
      .max(60_000)
      .default(45_000)
      .describe('How long a new version has to get a session.'),
    expiresInMs: z
      .int()
      .min(10_000)
      .max(7 * 24 * HOUR_MS)
      .default(HOUR_MS)
      .describe('Hosts that are away longer are not changed.'),
  }),
  response: z
    .object({
      rolloutId: z.string(),
      version: z.string(),
      hosts: z.int(),
      nodeset: z.string().describe('Their names, folded.'),
    })
    .meta({ id: 'AgentRollout' }),
  errors: [
    'bundle_unknown',
    'target_invalid',
    'target_empty',
    'target_too_large',
    'confirmation_required',
    'host_unknown',
    'group_unknown',
    'execution_unknown',
  ],
  audit: ({ body }) => ({ resource: 'host', detail: body }),
  async write({ scope, caller, body }, tx) {
    const { target, version, confirm, ...limits } = body
    if (!(await findAgentBundle(tx, scope.id, version)))
      throw new PlatformError(
        'bundle_unknown',
        `no bundle of version ${version} was uploaded; see: drover agents ls`,
      )
    const hosts = await findTargetHosts(tx, scope.id, target)
    checkSize(hosts.length)
    checkConfirm(hosts.length, [], confirm)
    const rolloutId = randomUUID()
    const upgrade = { scopeId: scope.id, rolloutId, version, requestedBy: caller.principalId, ...limits }
    await insertUpgrades(
      tx,
      upgrade,
      hosts.map((host) => host.id),
    )
    // Delivered at the commit; workers and gateways look by themselves, too.
    await sendHint(tx, 'flags', '')
    return { rolloutId, version, hosts: hosts.length, nodeset: foldNodeset(hosts.map((host) => host.name)) }
  },
})
