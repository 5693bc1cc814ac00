/** The platform's keys: made once by the first worker, opened by every later one. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { createSigner, type Signer } from '../../activities/signer.js'
import { SecretVault } from '../../activities/secret-vault.js'
import { pointId, pointOf } from '../../base/sealed-box.js'
import { gatewaySecret, keyOfSecret } from '../../base/secret-key.js'
import { signingKeyProof } from '../../proto/index.js'
import {
  findPrivateKey,
  insertKey,
  type KeyPurpose,
  listPrivateKeys,
  lockKeys,
  type PrivateKey,
  setCaSignature,
} from '../../store/postgres/platform-keys.js'
import { type Db, type Pool } from '../../store/postgres/pool.js'
import { firstScope } from '../../store/postgres/scopes.js'
import { transaction } from '../../store/postgres/transaction.js'
import type { MasterKey } from '../../store/seal.js'
import { Authority, createAuthorityKey, LIFE_MS } from './authority.js'

export interface PlatformKeys {
  authority: Authority
  signer: Signer
  /** Opens stored secrets. */
  vault: SecretVault
  /** The public key that the gateway of a name must have. */
  gatewayKey: (name: string) => Buffer
}

/** @param hostLifeMs how long hosts' certificates are good */
export async function openPlatformKeys(
  pool: Pool,
  master: MasterKey,
  hostLifeMs = LIFE_MS,
): Promise<PlatformKeys> {
  return transaction(pool, async (tx) => {
    await lockKeys(tx)
    const ca = await findOrMake(tx, master, 'ca', createAuthorityKey)
    const signing = await findOrMake(tx, master, 'signing', async () => createSigningKey())
    await findOrMake(tx, master, 'secrets', async () => createSecretsKey())
    const { id: scopeId } = await firstScope(tx)
    await setCaSignature(tx, scopeId, signing.id, certify(ca, signing))
    const secretOf = (name: string) => gatewaySecret(master.key.toString('base64'), name)
    return {
      authority: await Authority.open(ca, hostLifeMs),
      signer: createSigner(signing),
      vault: new SecretVault(await listPrivateKeys(tx, scopeId, 'secrets', master)),
      gatewayKey: (name) => keyOfSecret(secretOf(name), 'drover gateway').publicKey,
    }
  })
}

/** The CA's word for the key that signs orders: agents hear of it through a gateway, which could name one of its own. */
function certify(ca: PrivateKey, signing: PrivateKey): Buffer {
  const key = createPrivateKey({ key: Buffer.from(ca.privatePart, 'base64'), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(signing.publicPart).export({ type: 'spki', format: 'der' })
  return sign('sha256', signingKeyProof(signing.id, spki), key)
}

async function findOrMake(
  tx: Db,
  master: MasterKey,
  purpose: KeyPurpose,
  make: () => Promise<PrivateKey>,
): Promise<PrivateKey> {
  const { id: scopeId } = await firstScope(tx)
  const found = await findPrivateKey(tx, scopeId, purpose, master)
  if (found) return found
  const made = await make()
  await insertKey(tx, scopeId, { ...made, purpose }, master)
  return made
}

function createSigningKey(): PrivateKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const publicPart = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const id = createHash('sha256').update(publicPart).digest('hex').slice(0, 16)
  return { id, publicPart, privatePart: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** Its public half is for everybody who may write a secret; only workers have the private one. */
function createSecretsKey(): PrivateKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicPart = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const privatePart = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { id: `secrets-${pointId(pointOf(publicPart))}`, publicPart, privatePart }
}
