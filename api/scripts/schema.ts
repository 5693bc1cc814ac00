/** Scripts of the library, as the API shows them. */
import { z } from 'zod'
import { languages } from '../../domain/script.js'
import { versionStates } from '../../domain/script-library.js'
import type { LibraryScript, ScriptVersion } from '../../store/postgres/script-library.js'
import { queryInteger } from '../paging.js'
import { descriptionField, nameField as authoredName, revisionField, timeField, toTimes } from '../fields.js'

const nameField = authoredName.describe('What steps use it by.')

const VERSION_MAX = 999_999
const versionField = z.int().min(1).max(VERSION_MAX)
export const languageField = z.enum(languages)
export const noteField = z.string().max(500).describe('What is new in this version.')
export const contentField = z.string().min(1).describe('The text of the script; at most 1 MiB.')

export const scriptParams = z.object({ script: nameField })
export const versionParams = scriptParams.extend({
  version: queryInteger(1, VERSION_MAX),
})
export const newScriptFields = { name: nameField, language: languageField.default('bash') }

const who = { createdBy: z.string(), createdAt: timeField, updatedAt: timeField }

export const scriptSchema = z
  .object({
    name: nameField,
    uses: z.string().describe('How steps name it: `deploy`; `public/deploy` is one of all scopes.'),
    language: languageField,
    description: descriptionField,
    tags: z.array(z.string()),
    revision: revisionField,
    online: versionField.nullable().describe('The version that a plan gets if it names none.'),
    latest: versionField.nullable(),
    ...who,
  })
  .meta({ id: 'Script' })

const versionFields = {
  version: versionField,
  state: z.enum(versionStates),
  note: z.string(),
  sha256: z.string(),
  bytes: z.int(),
  revision: revisionField,
  ...who,
}
export const versionSchema = z.object(versionFields).meta({ id: 'ScriptVersion' })
export const versionTextSchema = z
  .object({ ...versionFields, content: z.string() })
  .meta({ id: 'ScriptVersionText' })

export const scriptView = (script: LibraryScript, uses: string) => ({ ...script, uses, ...toTimes(script) })
export const versionView = <V extends ScriptVersion>(version: V) => ({ ...version, ...toTimes(version) })
