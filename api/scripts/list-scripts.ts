/** GET /scripts: the scripts of the library. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import type { Db, Pool } from '../../store/postgres/pool.js'
import { listScripts as readScripts } from '../../store/postgres/script-library.js'
import { transaction } from '../../store/postgres/transaction.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import type { Library } from './library.js'
import { languageField, scriptSchema, scriptView } from './schema.js'

const SEARCH_WITHIN_MS = 3_000
const QUERY_CANCELED = '57014'

/** Every text may have to be read: nobody else waits long for a connection because of that. @throws PlatformError search_too_wide */
async function search<T>(pool: Pool, work: (tx: Db) => Promise<T>): Promise<T> {
  try {
    return await transaction(pool, async (tx) => {
      await tx.query(`set local statement_timeout = ${SEARCH_WITHIN_MS}`)
      return work(tx)
    })
  } catch (error) {
    if ((error as { code?: unknown }).code !== QUERY_CANCELED) throw error
    throw new PlatformError(
      'search_too_wide',
      `the texts could not be searched within ${SEARCH_WITHIN_MS / 1_000} s: also give a part of the name, a tag or a language`,
    )
  }
}

export const listScripts = (library: Library) =>
  operation({
    name: library.called('list-scripts'),
    method: 'get',
    path: library.path,
    policy: 'script.read',
    summary: 'List scripts of the library',
    query: pageQuery.extend({
      name: z.string().max(63).optional().describe('Part of the name.'),
      tag: z.string().max(40).optional(),
      language: languageField.optional(),
      text: z.string().min(2).max(200).optional().describe("What the newest version's text has in it."),
    }),
    response: pageOf(scriptSchema),
    errors: ['cursor_invalid', 'search_too_wide'],
    async handler({ services, scope, query }) {
      const after = decodeCursor('script', query.after, isNameCursor) ?? ''
      const page = { after, limit: query.limit + 1 }
      const scopeId = await library.scopeIdOf(services.pool, scope)
      const rows =
        query.text === undefined
          ? await readScripts(services.pool, scopeId, query, page)
          : await search(services.pool, (tx) => readScripts(tx, scopeId, query, page))
      return toPage(
        rows,
        query.limit,
        (script) => scriptView(script, library.used(script.name)),
        (script) => encodeCursor('script', script.name),
      )
    },
  })
