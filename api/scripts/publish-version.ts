/** POST …/versions/{version}/publish: the version becomes the one that is meant where none is named. */
import { z } from 'zod'
import { setVersionState } from '../../store/postgres/script-library.js'
import { revisionField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { keyOf, mustAllow, mustFindVersion, withoutText } from './find-script.js'
import type { Library } from './library.js'
import { versionParams, versionSchema, versionView } from './schema.js'

export const publishVersion = (library: Library) =>
  operation({
    name: library.called('publish-script-version'),
    method: 'post',
    path: `${library.path}/{script}/versions/{version}/publish`,
    policy: library.write,
    summary: 'Publish a version',
    description:
      'It becomes the version that is meant where none is named; the former one goes offline, and can be published again. With `revision` only the text that was reviewed goes online.',
    params: versionParams,
    body: z.strictObject({ revision: revisionField.optional() }),
    response: versionSchema,
    errors: ['script_unknown', 'script_version_unknown', 'script_version_refused', 'edit_conflict'],
    audit: ({ params, body }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: { version: params.version, revision: body.revision ?? null },
    }),
    async write({ scope, params, body }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      const { version } = params
      const before = versionView(await mustAllow(tx, key, version, 'publish'))
      if (body.revision !== undefined) checkSeen(body.revision, before, `version ${version} of ${key.used}`)
      await setVersionState(tx, key, version, 'online')
      return withoutText(await mustFindVersion(tx, key, version))
    },
  })
