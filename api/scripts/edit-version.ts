/** PUT /scripts/{script}/versions/{version}: another text or note for a draft. */
import { z } from 'zod'
import { updateVersion } from '../../store/postgres/script-library.js'
import { revisionField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { keyOf, mustAllow, mustFindVersion, textOf, withoutText } from './find-script.js'
import type { Library } from './library.js'
import { contentField, noteField, versionParams, versionSchema, versionView } from './schema.js'

export const editVersion = (library: Library) =>
  operation({
    name: library.called('edit-script-version'),
    method: 'put',
    path: `${library.path}/{script}/versions/{version}`,
    policy: library.write,
    summary: 'Edit a draft',
    description:
      'Only drafts change. Where somebody else was faster, the answer is 409 and `details.current` is what is there now.',
    params: versionParams,
    body: z.strictObject({ content: contentField, note: noteField.optional(), revision: revisionField }),
    response: versionSchema,
    errors: [
      'script_unknown',
      'script_version_unknown',
      'script_version_refused',
      'script_too_large',
      'edit_conflict',
    ],
    audit: ({ params, body }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: { version: params.version, sha256: textOf(body.content).sha256 },
    }),
    async write({ scope, params, body }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      const text = textOf(body.content)
      const draft = await mustAllow(tx, key, params.version, 'edit')
      checkSeen(body.revision, versionView(draft), `version ${params.version} of ${key.used}`)
      await updateVersion(tx, key, params.version, { note: body.note, text })
      return withoutText(await mustFindVersion(tx, key, params.version))
    },
  })
