/** POST /agent-bundles: keeps a bundle of the agent; hosts change to it only when they are ordered to. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { insertAgentBundle } from '../../store/postgres/agent-bundles.js'
import { operation } from '../operation.js'
import { agentBundleSchema, agentBundleView, versionField } from './schema.js'

export const createAgentBundle = operation({
  name: 'create-agent-bundle',
  method: 'post',
  path: '/agent-bundles',
  policy: 'agent-bundle.write',
  summary: 'Upload a bundle of the agent',
  description:
    'The bytes of `agent.cjs`, at most 8 MiB. A version is uploaded once: the same bytes again are the same bundle, other bytes are refused.',
  status: 201,
  query: z.object({
    version: versionField,
    platform: z
      .string()
      .regex(/^(any|[a-z0-9]{1,16}(-[a-z0-9]{1,16})?)$/)
      .default('any')
      .describe('`any`, or as Node names platform and architecture: `linux`, `linux-arm64`.'),
  }),
  bytes: true,
  body: z.custom<Buffer>(),
  response: agentBundleSchema,
  errors: ['name_taken'],
  audit: ({ query, body }) => ({
    resource: `agent-bundle/${query.version}`,
    detail: {
      platform: query.platform,
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
    },
  }),
  async write({ scope, caller, query, body }, tx) {
    if (!body.length)
      throw new PlatformError('request_invalid', 'the body is empty; send the bytes of the bundle')
    const bundle = await insertAgentBundle(tx, {
      scopeId: scope.id,
      ...query,
      content: body,
      uploadedBy: caller.principalId,
    })
    if (bundle) return agentBundleView(bundle)
    throw new PlatformError(
      'name_taken',
      `version ${query.version} was uploaded with other bytes; give this one a version of its own`,
    )
  },
})
