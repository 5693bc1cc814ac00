/** Finding the secret and the version that a path names, sealing values, and refusing what may not be. */
import { PlatformError } from '../../domain/errors.js'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { changeSecret, SECRET_MAX_BYTES, type SecretChange } from '../../domain/secret.js'
import { utf8Length } from '../../domain/text.js'
import { listPublicKeys } from '../../store/postgres/platform-keys.js'
import { listDbAccountsWith } from '../../store/postgres/db-accounts.js'
import type { Db } from '../../store/postgres/pool.js'
import { firstScope } from '../../store/postgres/scopes.js'
import {
  getSecret,
  getSecretVersion,
  holdSecrets,
  insertSecretVersion,
  listSecretCitations,
  lockSecret,
  type Secret,
  type SecretCitation,
  type SecretKey,
  type SecretVersion,
  setSecretState,
} from '../../store/postgres/secrets.js'
import { takeBackSealed } from '../../store/postgres/sealed-orders.js'
import { closeEnvelope } from '../../store/secret-envelope.js'

export const keyOf = (scope: { id: ScopeId }, { secret }: { secret: string }): SecretKey => ({
  scopeId: scope.id,
  name: secret,
})

/** @throws PlatformError secret_unknown */
export async function mustFindSecret(db: Db, key: SecretKey): Promise<Secret> {
  return known(await getSecret(db, key), key)
}

/** The same, held until the transaction ends. @throws PlatformError secret_unknown */
export async function mustLockSecret(tx: Db, key: SecretKey): Promise<Secret> {
  return known(await lockSecret(tx, key), key)
}

function known(secret: Secret | undefined, { name }: SecretKey): Secret {
  if (secret) return secret
  throw secretUnknown(name)
}

/** @param by what names it, if it is not the caller */
export function secretUnknown(name: string, by?: string): PlatformError {
  const what = `there is no secret ${name}; see: drover secrets ls`
  return new PlatformError(
    'secret_unknown',
    by === undefined ? what : `${by}: ${what}, or keep it with: drover secrets set ${name}`,
  )
}

/** @param by what names it, if it is not the caller */
export function versionUnknown(name: string, version: number, by?: string): PlatformError {
  const what = `secret ${name} has no version ${version}; see: drover secrets show ${name}`
  return new PlatformError('secret_version_unknown', by === undefined ? what : `${by}: ${what}`)
}

/** @throws PlatformError secret_unknown, secret_version_unknown */
export async function mustFindVersion(db: Db, key: SecretKey, version: number): Promise<SecretVersion> {
  const found = await getSecretVersion(db, key, version)
  if (found) return found
  await mustFindSecret(db, key)
  throw versionUnknown(key.name, version)
}

/**
 * Seals a value as the next version, under the secret's lock. What is written can be opened by workers alone.
 * @returns the version's number
 * @throws PlatformError secret_too_large, unavailable
 */
export async function addVersion(
  tx: Db,
  key: SecretKey,
  value: string,
  createdBy: PrincipalId,
): Promise<number> {
  // The length stays unsaid: an error is shown and logged by whoever asked.
  if (utf8Length(value) > SECRET_MAX_BYTES) {
    throw new PlatformError(
      'secret_too_large',
      `a secret has at most ${SECRET_MAX_BYTES} bytes; seal a file with it and give the key`,
    )
  }
  const [publicKey] = await listPublicKeys(tx, (await firstScope(tx)).id, 'secrets')
  if (!publicKey) {
    throw new PlatformError(
      'unavailable',
      'there is no key to seal secrets to yet: a worker makes it at its first start; is one running?',
    )
  }
  return insertSecretVersion(tx, key, createdBy, (place) =>
    closeEnvelope(publicKey, place, Buffer.from(value)),
  )
}

/** @throws PlatformError secret_unknown, secret_version_unknown, secret_version_refused */
export async function changeVersion(
  tx: Db,
  key: SecretKey,
  version: number,
  change: SecretChange,
): Promise<SecretVersion> {
  await mustLockSecret(tx, key)
  const { state } = await mustFindVersion(tx, key, version)
  const next = changeSecret(state, change)
  if (!next) {
    throw new PlatformError(
      'secret_version_refused',
      `version ${version} of ${key.name} is destroyed: its value is gone; make a new version`,
    )
  }
  await setSecretState(tx, key, version, next)
  if (change !== 'enable') await takeBackSealed(tx, key, version)
  return mustFindVersion(tx, key, version)
}

const MOST_TOLD = 20

/** Refuses to remove what a job, a plan or a database account uses. @throws PlatformError secret_in_use */
export async function checkUnused(tx: Db, { scopeId, name }: SecretKey): Promise<void> {
  const cited = { scopeId, secret: name }
  const citations = await listSecretCitations(tx, cited, MOST_TOLD)
  const dbAccounts = await listDbAccountsWith(tx, cited, MOST_TOLD)
  const [by] = [...citations.map(inWords), ...dbAccounts.map((account) => `database account ${account}`)]
  if (by === undefined) return
  throw new PlatformError(
    'secret_in_use',
    `${name} is used, first by ${by}; see: drover secrets show ${name}`,
    {
      details: { citations, dbAccounts },
    },
  )
}

function inWords({ job, plan, step, as }: SecretCitation): string {
  const where = plan === null ? `job ${job}` : `plan ${job}/${plan}`
  return step === null ? `${where} in the variable ${as}` : `${where} in step "${step}"`
}

/** Holds the secret of a database account until the transaction ends: from then on it is cited. @throws PlatformError secret_unknown */
export async function holdCited(tx: Db, key: SecretKey): Promise<void> {
  await holdSecrets(tx, key.scopeId, [key.name])
  await mustFindSecret(tx, key)
}
