/** Tokens, requests and certificates: what an identity is made of, and what a crash may leave of it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestCa } from '../testing/certificates.js'
import { generateKey, makeCsr } from './csr.js'
import { Renewal, renewInMs } from './renew.js'
import { promoteNext, readIdentity, renewedPairIn, writeIdentity, writeNext } from './store.js'
import { parseJoinToken } from './token.js'

const { publicKey } = generateKeyPairSync('ed25519')
const signingKeys = [{ keyId: 'k1', publicKey: publicKey.export({ type: 'spki', format: 'der' }) }]
let folder: string
let ca: TestCa

beforeAll(async () => {
  ca = await TestCa.create()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-identity-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function issue(hostId = '7', lifeMs = 86_400_000): Promise<{ keyPem: string; certificatePem: string }> {
  const keyPem = generateKey()
  return { keyPem, certificatePem: await ca.issueHost(makeCsr(keyPem), hostId, lifeMs) }
}

async function writeOne(): Promise<{ keyPem: string; certificatePem: string }> {
  const pair = await issue()
  await writeIdentity(folder, { hostId: '7', ...pair, caPem: ca.pem, signingKeys })
  return pair
}

describe('a join token', () => {
  const pin = Buffer.alloc(32, 7).toString('base64url')

  it('holds the secret and the pin of the CA', () => {
    expect(parseJoinToken(` drj_abcdefgh12.${pin}\n`)).toEqual({
      secret: 'drj_abcdefgh12',
      caSha256: Buffer.alloc(32, 7),
    })
  })

  it.each(['', 'drj_abcdefgh12', `drt_abcdefgh12.${pin}`, `drj_abcdefgh12.${pin}xx`, `drj_.${pin}`])(
    'is not %p, and the fault does not repeat it',
    (text) => {
      expect(() => parseJoinToken(text)).toThrow(/not of the form/)
    },
  )
})

describe('a certificate request', () => {
  it('is signed by its key and carries it, as another implementation reads it', async () => {
    const keyPem = generateKey()
    const certificate = await ca.issueHost(makeCsr(keyPem), '7', 1_000)
    const ofKey = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' })
    const ofCertificate = createPublicKey(certificate).export({ type: 'spki', format: 'der' })
    expect(ofKey.equals(ofCertificate)).toBe(true)
  })
})

describe('an identity', () => {
  it('is read back as it was written', async () => {
    const pair = await writeOne()
    const identity = await readIdentity(folder)
    expect(identity).toMatchObject({ hostId: '7', caPem: ca.pem, current: pair, next: undefined })
    expect([...(identity?.signingKeys.keys() ?? [])]).toEqual(['k1'])
  })

  it('does not count without its last file', async () => {
    await writeOne()
    await rm(join(folder, 'host.json'))
    expect(await readIdentity(folder)).toBeUndefined()
  })

  it('keeps the old pair beside the new one until it is promoted', async () => {
    const old = await writeOne()
    const fresh = await issue()
    await writeNext(folder, fresh.keyPem, fresh.certificatePem)
    expect(await readIdentity(folder)).toMatchObject({ current: old, next: { ...fresh, unproven: true } })
    await promoteNext(folder)
    expect(await readIdentity(folder)).toMatchObject({ current: fresh, next: undefined })
  })

  it('survives a crash in the middle of a renewal', async () => {
    const old = await writeOne()
    const fresh = await issue()
    await writeNext(folder, fresh.keyPem, fresh.certificatePem)
    await rename(join(folder, 'next'), join(folder, 'next.new'))
    expect(await readIdentity(folder)).toMatchObject({ current: old, next: fresh })
    await promoteNext(folder)
    expect(await readIdentity(folder)).toMatchObject({
      current: fresh,
      next: undefined,
      former: [old.keyPem],
    })
  })

  it('survives a crash in the middle of the promotion', async () => {
    await writeOne()
    const fresh = await issue()
    await writeNext(folder, fresh.keyPem, fresh.certificatePem)
    await rename(join(folder, 'next/key.pem'), join(folder, 'key.pem'))
    expect(await readIdentity(folder)).toMatchObject({ current: fresh })
  })
})

describe('a renewal', () => {
  it('is due at two thirds of the life, give or take a twentieth', async () => {
    const { certificatePem } = await issue('7', 300_000)
    const now = Date.now()
    for (const [random, share] of [
      [0, 2 / 3 - 0.05],
      [0.5, 2 / 3],
      [1, 2 / 3 + 0.05],
    ] as const) {
      expect(Math.abs(renewInMs(certificatePem, now, random) - share * 300_000)).toBeLessThan(3_000)
    }
    expect(renewInMs(certificatePem, now + 300_000, 0.5)).toBe(0)
  })

  it.each(['another host', 'another key', 'another CA', 'nonsense', 'nothing asked'])(
    'takes no certificate for %s',
    async (what) => {
      await writeOne()
      const identity = await readIdentity(folder)
      if (!identity) throw new Error('no identity')
      identity.current.certificatePem = (await issue('7', 1)).certificatePem
      const renewal = new Renewal(identity, renewedPairIn(folder), () => Date.now() + 60_000)
      let csr: Buffer = Buffer.alloc(0)
      if (what !== 'nothing asked') {
        const stop = renewal.start((request) => {
          csr = request.csr
        })
        stop()
      }
      const other = await TestCa.create('another')
      const answers: Record<string, () => Promise<string>> = {
        'another host': () => ca.issueHost(csr, '8', 60_000),
        'another key': async () => (await issue()).certificatePem,
        'another CA': () => other.issueHost(csr, '7', 60_000),
        nonsense: () => Promise.resolve('nonsense'),
        'nothing asked': async () => (await issue()).certificatePem,
      }
      await renewal.receive(await (answers[what] ?? answers['nonsense'])!())
      expect([identity.next, (await readIdentity(folder))?.next]).toEqual([undefined, undefined])
    },
  )

  it('takes one of the answers to a request that was sent again, though all come at once', async () => {
    await writeOne()
    const identity = await readIdentity(folder)
    if (!identity) throw new Error('no identity')
    const renewal = new Renewal(identity, renewedPairIn(folder), () => Date.now() + 86_400_000)
    let csr: Buffer = Buffer.alloc(0)
    renewal.start((request) => {
      csr = request.csr
    })()
    const answers = await Promise.all([1, 2, 3].map(() => ca.issueHost(csr, '7', 60_000)))
    await Promise.all(answers.map((answer) => renewal.receive(answer)))
    const next = (await readIdentity(folder))?.next
    expect(next).toEqual(identity.next)
    expect(next).toMatchObject({ certificatePem: answers[0], unproven: true })
  })

  it('leaves a whole pair where the next one comes while one is promoted', async () => {
    await writeOne()
    const identity = await readIdentity(folder)
    if (!identity) throw new Error('no identity')
    const renewal = new Renewal(identity, renewedPairIn(folder), () => Date.now() + 86_400_000)
    const answerOnce = async () => {
      let csr: Buffer = Buffer.alloc(0)
      renewal.start((request) => {
        csr = request.csr
      })()
      return ca.issueHost(csr, '7', 60_000)
    }
    await renewal.receive(await answerOnce())
    const first = identity.next
    if (!first) throw new Error('it was not taken')
    const second = await answerOnce()
    await Promise.all([renewal.promote(first), renewal.receive(second)])
    expect(await readIdentity(folder)).toMatchObject({
      current: { certificatePem: first.certificatePem },
      next: { certificatePem: second },
    })
  })
})
