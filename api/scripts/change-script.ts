/** PATCH /scripts/{script}: description and tags; name and language stay what they are. */
import { z } from 'zod'
import { updateScript } from '../../store/postgres/script-library.js'
import { descriptionField, revisionField, tagsField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { keyOf, mustFindScript, mustLockScript } from './find-script.js'
import { scriptParams, scriptSchema, scriptView } from './schema.js'

export const changeScript = operation({
  name: 'change-script',
  method: 'patch',
  path: '/scripts/{script}',
  policy: 'script.write',
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
    resource: `script/${params.script}`,
    detail: { tags: body.tags ?? null, description: body.description ?? null },
  }),
  async write({ scope, params, body }, tx) {
    const key = keyOf(scope, params)
    const { revision, ...change } = body
    checkSeen(revision, scriptView(await mustLockScript(tx, key)), `script ${key.name}`)
    await updateScript(tx, key, change)
    return scriptView(await mustFindScript(tx, key))
  },
})
