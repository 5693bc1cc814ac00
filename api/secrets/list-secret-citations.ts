/** GET /secrets/{secret}/citations: which steps of jobs and plans, and which database accounts use a secret. */
import { z } from 'zod'
import { listDbAccountsWith } from '../../store/postgres/db-accounts.js'
import { listSecretCitations as readCitations } from '../../store/postgres/secrets.js'
import { CITATIONS_READ, cutCitations } from '../citations.js'
import { operation } from '../operation.js'
import { keyOf, mustFindSecret } from './find-secret.js'
import { secretParams } from './schema.js'

export const listSecretCitations = operation({
  name: 'list-secret-citations',
  method: 'get',
  path: '/secrets/{secret}/citations',
  policy: 'secret.read',
  summary: 'List what uses a secret',
  description:
    'Steps and variables of jobs (`plan` is null) and of their plans as they were frozen, and database accounts; at most 1,000 of each, `more` says whether there are others.',
  params: secretParams,
  response: z
    .object({
      items: z.array(
        z.object({
          job: z.string(),
          plan: z.string().nullable(),
          step: z.string().nullable().describe('Null of a variable: all script steps get it.'),
          as: z.string().describe('The name under which the step gets it, or of the variable.'),
          uses: z.string().describe('As the step says it: `db-password` or `db-password@3`.'),
        }),
      ),
      dbAccounts: z.array(z.string()).describe('Names of those whose password it is.'),
      more: z.boolean(),
    })
    .meta({ id: 'SecretCitations' }),
  errors: ['secret_unknown'],
  async handler({ services, scope, params }) {
    const key = keyOf(scope, params)
    await mustFindSecret(services.pool, key)
    const cited = { scopeId: scope.id, secret: key.name }
    const found = cutCitations(await readCitations(services.pool, cited, CITATIONS_READ))
    const accounts = cutCitations(await listDbAccountsWith(services.pool, cited, CITATIONS_READ))
    return { items: found.items, dbAccounts: accounts.items, more: found.more || accounts.more }
  },
})
