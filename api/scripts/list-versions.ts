/** GET /scripts/{script}/versions: newest first, without their texts. */
import { listVersions as readVersions } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { keyOf, mustFindScript } from './find-script.js'
import type { Library } from './library.js'
import { scriptParams, versionSchema, versionView } from './schema.js'

const ABOVE_ALL = 1_000_000

export const listVersions = (library: Library) =>
  operation({
    name: library.called('list-script-versions'),
    method: 'get',
    path: `${library.path}/{script}/versions`,
    policy: 'script.read',
    summary: 'List the versions of a script',
    params: scriptParams,
    query: pageQuery,
    response: pageOf(versionSchema),
    errors: ['script_unknown', 'cursor_invalid'],
    async handler({ services: { pool }, scope, params, query }) {
      const key = await keyOf(pool, scope, library.used(params.script))
      const below = decodeCursor('version', query.after, (text) => /^[1-9][0-9]{0,5}$/.test(text))
      await mustFindScript(pool, key)
      const page = { below: below === undefined ? ABOVE_ALL : Number(below), limit: query.limit + 1 }
      const rows = await readVersions(pool, key, page)
      return toPage(rows, query.limit, versionView, ({ version }) => encodeCursor('version', String(version)))
    },
  })
