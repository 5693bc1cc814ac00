/** POST …/versions/{version}/publish and …/disable: where a version stands. */
import type { VersionState } from '../../domain/script-library.js'
import { setVersionState } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { keyOf, mustAllow, mustFindVersion } from './find-script.js'
import { versionParams, versionTextSchema, versionView } from './schema.js'

const moving = (
  change: 'publish' | 'disable',
  state: VersionState,
  told: { summary: string; description: string },
) =>
  operation({
    name: `${change}-script-version`,
    method: 'post',
    path: `/scripts/{script}/versions/{version}/${change}`,
    policy: 'script.write',
    ...told,
    params: versionParams,
    response: versionTextSchema,
    errors: ['script_unknown', 'script_version_unknown', 'script_version_refused'],
    audit: ({ params }) => ({ resource: `script/${params.script}`, detail: { version: params.version } }),
    async write({ scope, params }, tx) {
      const key = keyOf(scope, params)
      await mustAllow(tx, key, params.version, change)
      await setVersionState(tx, key, params.version, state)
      return versionView(await mustFindVersion(tx, key, params.version))
    },
  })

export const publishVersion = moving('publish', 'online', {
  summary: 'Publish a version',
  description:
    'It becomes the version that is meant where none is named; the former one goes offline, and can be published again.',
})

export const disableVersion = moving('disable', 'disabled', {
  summary: 'Disable a version for good',
  description: 'Nothing that names it starts any more. What runs already goes on.',
})
