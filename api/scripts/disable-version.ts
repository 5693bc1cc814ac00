/** POST …/versions/{version}/disable: for good. */
import { setVersionState } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { keyOf, mustAllow, mustFindVersion, withoutText } from './find-script.js'
import type { Library } from './library.js'
import { versionParams, versionSchema } from './schema.js'

export const disableVersion = (library: Library) =>
  operation({
    name: library.called('disable-script-version'),
    method: 'post',
    path: `${library.path}/{script}/versions/{version}/disable`,
    policy: library.write,
    summary: 'Disable a version for good',
    description:
      'Nothing that names it starts any more, and no run is taken up again that still has it to run. What runs already goes on: cancel that.',
    params: versionParams,
    response: versionSchema,
    errors: ['script_unknown', 'script_version_unknown', 'script_version_refused'],
    audit: ({ params }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: { version: params.version },
    }),
    async write({ scope, params }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      await mustAllow(tx, key, params.version, 'disable')
      await setVersionState(tx, key, params.version, 'disabled')
      return withoutText(await mustFindVersion(tx, key, params.version))
    },
  })
