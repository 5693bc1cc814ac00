/** POST /scripts/{script}/versions: a new draft, from a text or from another version. */
import { z } from 'zod'
import { insertVersion, setVersionState } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { keyOf, mustFindVersion, mustLockScript, textOf, withoutText } from './find-script.js'
import type { Library } from './library.js'
import { contentField, noteField, scriptParams, versionSchema } from './schema.js'

export const createVersion = (library: Library) =>
  operation({
    name: library.called('create-script-version'),
    method: 'post',
    path: `${library.path}/{script}/versions`,
    policy: library.write,
    summary: 'Give a script a new version',
    description: 'A draft unless it is published at once. Numbers are never given twice.',
    status: 201,
    params: scriptParams,
    body: z
      .strictObject({
        content: contentField.optional(),
        copyOf: z.int().min(1).max(999_999).optional().describe('The version whose text it gets.'),
        note: noteField.default(''),
        publish: z.boolean().default(false).describe('Whether it goes online at once.'),
      })
      .refine(
        (body) => (body.content === undefined) !== (body.copyOf === undefined),
        'give either content or copyOf',
      ),
    response: versionSchema,
    errors: ['script_unknown', 'script_version_unknown', 'script_too_large'],
    audit: ({ params, body }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: {
        publish: body.publish,
        ...(body.content === undefined
          ? { copyOf: body.copyOf ?? null }
          : { sha256: textOf(body.content).sha256 }),
      },
    }),
    async write({ scope, caller, params, body }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      await mustLockScript(tx, key)
      const content = body.content ?? (await mustFindVersion(tx, key, body.copyOf ?? 0)).content
      const created = { note: body.note, text: textOf(content), createdBy: caller.principalId }
      const version = await insertVersion(tx, key, created)
      if (body.publish) await setVersionState(tx, key, version, 'online')
      return withoutText(await mustFindVersion(tx, key, version))
    },
  })
