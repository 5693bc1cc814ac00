/** PATCH /scripts/{script}: description and tags; name and language stay what they are. */
import { z } from 'zod'
import { updateScript } from '../../store/postgres/script-library.js'
import { descriptionField, revisionField, tagsField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { keyOf, mustFindScript, mustLockScript } from './find-script.js'
import type { Library } from './library.js'
import { scriptParams, scriptSchema, scriptView } from './schema.js'

export const changeScript = (library: Library) =>
  operation({
    name: library.called('change-script'),
    method: 'patch',
    path: `${library.path}/{script}`,
    policy: library.write,
    summary: 'Change the description or the tags of a script',
    params: scriptParams,
    body: z.strictObject({
      description: descriptionField.optional(),
      tags: tagsField.optional(),
      revision: revisionField,
    }),
    response: scriptSchema,
    errors: ['script_unknown', 'edit_conflict'],
    audit: ({ params, body }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: { tags: body.tags ?? null, description: body.description ?? null },
    }),
    async write({ scope, params, body }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      const { revision, ...change } = body
      checkSeen(revision, scriptView(await mustLockScript(tx, key), key.used), `script ${key.used}`)
      await updateScript(tx, key, change)
      return scriptView(await mustFindScript(tx, key), key.used)
    },
  })
