/** POST /scripts: a script with its first version. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { insertScript, insertVersion, setVersionState } from '../../store/postgres/script-library.js'
import { descriptionField, tagsField } from '../fields.js'
import { operation } from '../operation.js'
import { keyOf, mustFindScript, textOf } from './find-script.js'
import type { Library } from './library.js'
import { contentField, newScriptFields, noteField, scriptSchema, scriptView } from './schema.js'

export const createScript = (library: Library) =>
  operation({
    name: library.called('create-script'),
    method: 'post',
    path: library.path,
    policy: library.write,
    summary: 'Put a script into the library',
    description: 'Its first version is a draft unless it is published at once.',
    status: 201,
    body: z.strictObject({
      ...newScriptFields,
      description: descriptionField.default(''),
      tags: tagsField.default([]),
      content: contentField,
      note: noteField.default(''),
      publish: z.boolean().default(false).describe('Whether the version goes online at once.'),
    }),
    response: scriptSchema,
    errors: ['name_taken', 'script_too_large'],
    audit: ({ body }) => ({
      resource: `script/${library.used(body.name)}`,
      detail: { language: body.language, sha256: textOf(body.content).sha256, publish: body.publish },
    }),
    async write({ scope, caller, body }, tx) {
      const text = textOf(body.content)
      const key = await keyOf(tx, scope, library.used(body.name))
      const createdBy = caller.principalId
      if (!(await insertScript(tx, key, { ...body, createdBy }))) {
        throw new PlatformError(
          'name_taken',
          `there is a script ${key.used}; give it a new version, or take another name`,
        )
      }
      const version = await insertVersion(tx, key, { note: body.note, text, createdBy })
      if (body.publish) await setVersionState(tx, key, version, 'online')
      return scriptView(await mustFindScript(tx, key), key.used)
    },
  })
