/** Finding the script and the version that a path names, and refusing what they do not allow. */
import { createHash } from 'node:crypto'
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import { SCRIPT_MAX_BYTES } from '../../domain/script.js'
import { type VersionChange, whyNotChange } from '../../domain/script-library.js'
import { utf8Length } from '../../domain/text.js'
import { type Citation, countCitationsElsewhere, listCitations } from '../../store/postgres/job-plans.js'
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
import { keyOfUsed } from '../../store/postgres/script-uses.js'
import { scriptUnknown } from '../executions/find-used.js'
import { versionView } from './schema.js'

/** Where a script is, and as what it is spoken of: `deploy`, `public/deploy`. */
export interface UsedKey extends ScriptKey {
  used: string
}

/** @throws PlatformError script_unknown */
export async function mustFindScript(db: Db, key: UsedKey): Promise<LibraryScript> {
  return known(await getScript(db, key), key)
}

/** The same, held until the transaction ends. @throws PlatformError script_unknown */
export async function mustLockScript(tx: Db, key: UsedKey): Promise<LibraryScript> {
  return known(await lockScript(tx, key), key)
}

function known(script: LibraryScript | undefined, { used }: UsedKey): LibraryScript {
  if (script) return script
  throw scriptUnknown(used)
}

/** @throws PlatformError script_unknown, script_version_unknown */
export async function mustFindVersion(db: Db, key: UsedKey, version: number) {
  const found = await getVersion(db, key, version)
  if (found) return found
  await mustFindScript(db, key)
  throw new PlatformError(
    'script_version_unknown',
    `script ${key.used} has no version ${version}; see: drover scripts show ${key.used}`,
  )
}

/**
 * The version, held with its script until the transaction ends, when it allows the change.
 * @throws PlatformError script_unknown, script_version_unknown, script_version_refused
 */
export async function mustAllow(tx: Db, key: UsedKey, version: number, change: VersionChange) {
  await mustLockScript(tx, key)
  const found = await mustFindVersion(tx, key, version)
  const why = whyNotChange(found.state, change)
  if (why) throw new PlatformError('script_version_refused', `version ${version} of ${key.used}: ${why}`)
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

interface Scoped {
  id: ScopeId
}

/** Where a script is, and how it is named. @param used as steps of the scope name it: `deploy`, `public/deploy` */
export async function keyOf(db: Db, scope: Scoped, used: string): Promise<UsedKey> {
  return { ...(await keyOfUsed(db, scope.id, used)), used }
}

interface Found {
  /** Of the scope that asks. */
  items: Citation[]
  /** How many there are of other scopes, whose names are theirs. */
  elsewhere: number
}

/** What uses a script. @param which.version only where this one is named */
export async function findCitations(
  db: Db,
  scope: Scoped,
  key: UsedKey,
  which: { limit: number; version?: number | undefined },
): Promise<Found> {
  const cited = { scopeId: scope.id, script: key.used, version: which.version }
  const items = await listCitations(db, { ...cited, key }, which.limit)
  return { items, elsewhere: key.scopeId === scope.id ? 0 : await countCitationsElsewhere(db, cited) }
}

const MOST_TOLD = 20

/** Refuses to remove what a job or a plan uses. @param version undefined: any of them. @throws PlatformError script_in_use */
export async function checkUnused(tx: Db, scope: Scoped, key: UsedKey, version?: number): Promise<void> {
  const { items: citations, elsewhere } = await findCitations(tx, scope, key, { limit: MOST_TOLD, version })
  const [first] = citations
  if (!first && !elsewhere) return
  const what = version === undefined ? key.used : `${key.used}@${version}`
  const by = [
    first && `first by ${placeOf(first)} in step "${first.step}"`,
    elsewhere && `by ${elsewhere} ${elsewhere === 1 ? 'step' : 'steps'} in other scopes`,
  ]
  throw new PlatformError(
    'script_in_use',
    `${what} is used, ${by.filter(Boolean).join(', and ')}; see: drover scripts uses ${key.used}`,
    { details: { citations, elsewhere } },
  )
}

const placeOf = ({ job, plan }: Citation) => (plan === null ? `job ${job}` : `plan ${job}/${plan}`)

/** What a change answers: the text is the caller's own, and an answer is kept for days. */
export function withoutText({ content: _text, ...version }: ScriptVersion & { content: string }) {
  return versionView(version)
}
