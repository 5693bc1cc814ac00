/** GET /scripts: the scripts of the library. */
import { z } from 'zod'
import { listScripts as readScripts } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { languageField, scriptSchema, scriptView } from './schema.js'

export const listScripts = operation({
  name: 'list-scripts',
  method: 'get',
  path: '/scripts',
  policy: 'script.read',
  summary: 'List scripts of the library',
  query: pageQuery.extend({
    name: z.string().max(63).optional().describe('Part of the name.'),
    tag: z.string().max(40).optional(),
    language: languageField.optional(),
    text: z.string().min(2).max(200).optional().describe("What the newest version's text has in it."),
  }),
  response: pageOf(scriptSchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const after = decodeCursor('script', query.after, isNameCursor) ?? ''
    const rows = await readScripts(services.pool, scope.id, query, { after, limit: query.limit + 1 })
    return toPage(rows, query.limit, scriptView, (script) => encodeCursor('script', script.name))
  },
})
