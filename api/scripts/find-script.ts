/** Finding the script and the version that a path names, and refusing what they do not allow. */
import { createHash } from 'node:crypto'
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import { SCRIPT_MAX_BYTES } from '../../domain/script.js'
import { type VersionChange, whyNotChange } from '../../domain/script-library.js'
import { utf8Length } from '../../domain/text.js'
import { listCitations } from '../../store/postgres/job-plans.js'
import type { Db } from '../../store/postgres/pool.js'
import {
  getScript,
  getVersion,
  type LibraryScript,
  lockScript,
  type NewVersion,
  type ScriptKey,
  type ScriptVersion,
} from '../../store/postgres/script-library.js'
import { versionView } from './schema.js'

/** @throws PlatformError script_unknown */
export async function mustFindScript(db: Db, key: ScriptKey): Promise<LibraryScript> {
  return known(await getScript(db, key), key)
}

/** The same, held until the transaction ends. @throws PlatformError script_unknown */
export async function mustLockScript(tx: Db, key: ScriptKey): Promise<LibraryScript> {
  return known(await lockScript(tx, key), key)
}

function known(script: LibraryScript | undefined, { name }: ScriptKey): LibraryScript {
  if (script) return script
  throw new PlatformError('script_unknown', `there is no script ${name}; see: drover scripts ls`)
}

/** @throws PlatformError script_unknown, script_version_unknown */
export async function mustFindVersion(db: Db, key: ScriptKey, version: number) {
  const found = await getVersion(db, key, version)
  if (found) return found
  await mustFindScript(db, key)
  throw new PlatformError(
    'script_version_unknown',
    `script ${key.name} has no version ${version}; see: drover scripts show ${key.name}`,
  )
}

/**
 * The version, held with its script until the transaction ends, when it allows the change.
 * @throws PlatformError script_unknown, script_version_unknown, script_version_refused
 */
export async function mustAllow(tx: Db, key: ScriptKey, version: number, change: VersionChange) {
  await mustLockScript(tx, key)
  const found = await mustFindVersion(tx, key, version)
  const why = whyNotChange(found.state, change)
  if (why) throw new PlatformError('script_version_refused', `version ${version} of ${key.name}: ${why}`)
  return found
}

/** @throws PlatformError script_too_large */
export function textOf(content: string): NewVersion['text'] {
  const bytes = utf8Length(content)
  if (bytes > SCRIPT_MAX_BYTES) {
    throw new PlatformError(
      'script_too_large',
      `the script has ${bytes} bytes, at most ${SCRIPT_MAX_BYTES} are taken; put the bulk into a file and let the script read it`,
    )
  }
  return { content, bytes, sha256: createHash('sha256').update(content).digest('hex') }
}

export const keyOf = (scope: { id: ScopeId }, { script }: { script: string }): ScriptKey => ({
  scopeId: scope.id,
  name: script,
})

const MOST_TOLD = 20

/** Refuses to remove what a job or a plan uses. @param version undefined: any of them. @throws PlatformError script_in_use */
export async function checkUnused(tx: Db, key: ScriptKey, version?: number): Promise<void> {
  const cited = { scopeId: key.scopeId, script: key.name, version }
  const citations = await listCitations(tx, cited, MOST_TOLD)
  const [first] = citations
  if (!first) return
  const what = version === undefined ? key.name : `${key.name}@${version}`
  const where = first.plan === null ? `job ${first.job}` : `plan ${first.job}/${first.plan}`
  throw new PlatformError(
    'script_in_use',
    `${what} is used, first by ${where} in step "${first.step}"; see: drover scripts uses ${key.name}`,
    { details: { citations } },
  )
}

/** What a change answers: the text is the caller's own, and an answer is kept for days. */
export function withoutText({ content: _text, ...version }: ScriptVersion & { content: string }) {
  return versionView(version)
}
