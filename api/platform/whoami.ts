/** GET /whoami: who the token belongs to and what it may do; the first thing that a client asks. */
import { z } from 'zod'
import { roles } from '../../domain/role.js'
import { idField, timeField, toTime } from '../fields.js'
import { operation } from '../operation.js'

const whoamiSchema = z
  .object({
    principal: z.object({ id: idField, name: z.string(), kind: z.enum(['person', 'service']) }),
    roles: z.record(z.string(), z.array(z.enum(roles))).describe('Roles by the name of the scope.'),
    server: z.object({
      version: z.string(),
      time: timeField,
      temporalUi: z.string().nullable().describe("Address of Temporal's web UI."),
    }),
  })
  .meta({ id: 'Whoami' })

export const whoami = operation({
  name: 'whoami',
  method: 'get',
  path: '/whoami',
  policy: 'signed-in',
  summary: 'Who the token belongs to, and its roles by scope',
  response: whoamiSchema,
  errors: [],
  async handler({ caller, services }) {
    const scopes = [...caller.scopes.values()]
    return {
      principal: { id: caller.principalId, name: caller.name, kind: caller.kind },
      roles: Object.fromEntries(scopes.map((scope) => [scope.name, caller.roles.get(scope.id) ?? []])),
      server: {
        version: services.version,
        time: toTime(new Date()),
        temporalUi: services.temporalUi ?? null,
      },
    }
  },
})
