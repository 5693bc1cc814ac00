/** GET /secrets/{secret}/versions: newest first, without their values. */
import { listSecretVersions as readVersions } from '../../store/postgres/secrets.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { keyOf, mustFindSecret } from './find-secret.js'
import { secretParams, secretVersionSchema, secretVersionView } from './schema.js'

const ABOVE_ALL = 1_000_000

export const listSecretVersions = operation({
  name: 'list-secret-versions',
  method: 'get',
  path: '/secrets/{secret}/versions',
  policy: 'secret.read',
  summary: 'List the versions of a secret, without their values',
  params: secretParams,
  query: pageQuery,
  response: pageOf(secretVersionSchema),
  errors: ['secret_unknown', 'cursor_invalid'],
  async handler({ services, scope, params, query }) {
    const key = keyOf(scope, params)
    const below = decodeCursor('secret-version', query.after, (text) => /^[1-9][0-9]{0,5}$/.test(text))
    await mustFindSecret(services.pool, key)
    const page = { below: below === undefined ? ABOVE_ALL : Number(below), limit: query.limit + 1 }
    const rows = await readVersions(services.pool, key, page)
    return toPage(rows, query.limit, secretVersionView, ({ version }) =>
      encodeCursor('secret-version', String(version)),
    )
  },
})
