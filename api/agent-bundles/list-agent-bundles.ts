/** GET /agent-bundles: what hosts may be upgraded to, newest first. */
import { z } from 'zod'
import { listAgentBundles as readBundles } from '../../store/postgres/agent-bundles.js'
import { operation } from '../operation.js'
import { agentBundleSchema, agentBundleView } from './schema.js'

export const listAgentBundles = operation({
  name: 'list-agent-bundles',
  method: 'get',
  path: '/agent-bundles',
  policy: 'agent-bundle.read',
  summary: 'List bundles of the agent, newest first',
  response: z.object({ items: z.array(agentBundleSchema) }).meta({ id: 'AgentBundles' }),
  errors: [],
  async handler({ services, scope }) {
    return { items: (await readBundles(services.pool, scope.id)).map(agentBundleView) }
  },
})
