/** GET /openapi.json: this API, described. */
import { z } from 'zod'
import { operation } from '../operation.js'

export const getOpenapi = operation({
  name: 'get-openapi',
  method: 'get',
  path: '/openapi.json',
  policy: 'public',
  summary: 'The OpenAPI 3.1 document of this API',
  response: z.record(z.string(), z.unknown()),
  errors: [],
  async handler({ services }) {
    return services.openApi() as Record<string, unknown>
  },
})
