/** GET /secrets/{secret}/citations: which steps of jobs and plans, and which database accounts use a secret. */
import { z } from 'zod'
import { listDbAccountsWith } from '../../store/postgres/db-accounts.js'
import { listSecretCitations as readCitations } from '../../store/postgres/secrets.js'
import { operation } from '../operation.js'
import { keyOf, mustFindSecret } from './find-secret.js'
import { secretParams } from './schema.js'

const MOST_SHOWN = 1_000

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
    const found = await readCitations(services.pool, cited, MOST_SHOWN + 1)
    const accounts = await listDbAccountsWith(services.pool, cited, MOST_SHOWN + 1)
    return {
      items: found.slice(0, MOST_SHOWN),
      dbAccounts: accounts.slice(0, MOST_SHOWN),
      more: Math.max(found.length, accounts.length) > MOST_SHOWN,
    }
  },
})
