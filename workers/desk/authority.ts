/** The certificate authority: makes its own certificate, and signs those of hosts and gateways. */
import 'reflect-metadata'
import { createHash, randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { pointOf } from '../../base/sealed-box.js'
import { HOST_URI_PREFIX } from '../../proto/index.js'
import type { PrivateKey } from '../../store/postgres/platform-keys.js'

x509.cryptoProvider.set(webcrypto)

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

/** Hosts renew over their session at two thirds of this, gateways too; a stolen certificate is worth a week at most. */
export const LIFE_MS = 7 * DAY_MS

// A certificate must be valid at once on a host whose clock is a little behind.
const BACKDATE_MS = 3_600_000

export interface Issued {
  /** PEM */
  certificate: string
  serial: string
  notAfter: Date
  /** sha256 of the DER. */
  fingerprint: Buffer
  /** The point of its key, 65 bytes. */
  publicKey: Buffer
}

/** Makes a new authority: a P-256 key and a certificate for itself, good for ten years. */
export async function createAuthorityKey(): Promise<PrivateKey> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
  const id = newSerial()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: id,
    name: `CN=Drover CA ${id.slice(0, 8)}`,
    notBefore: new Date(Date.now() - BACKDATE_MS),
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
    signingAlgorithm: P256,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { id, publicPart: certificate.toString('pem'), privatePart: pkcs8.toString('base64') }
}

export class Authority {
  private readonly certificate: x509.X509Certificate
  private readonly key: webcrypto.CryptoKey
  private readonly hostLifeMs: number

  private constructor(certificate: x509.X509Certificate, key: webcrypto.CryptoKey, hostLifeMs: number) {
    this.certificate = certificate
    this.key = key
    this.hostLifeMs = hostLifeMs
  }

  static async open(key: PrivateKey, hostLifeMs = LIFE_MS): Promise<Authority> {
    const pkcs8 = Buffer.from(key.privatePart, 'base64')
    const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, P256, false, ['sign'])
    return new Authority(new x509.X509Certificate(key.publicPart), privateKey, hostLifeMs)
  }

  /**
   * Signs a request; nothing of it is taken over but its key.
   * @throws if the request is not signed by its own key or the key is not P-256
   */
  async issue(csr: Buffer, subject: { hostId: string } | { gateway: string }): Promise<Issued> {
    const request = new x509.Pkcs10CertificateRequest(csr)
    if (!(await request.verify())) throw new Error('the request is not signed by its own key')
    const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string }
    if (name !== 'ECDSA' || namedCurve !== 'P-256') throw new Error('the key must be ECDSA P-256')
    const isHost = 'hostId' in subject
    const serial = newSerial()
    const lifeMs = isHost ? this.hostLifeMs : LIFE_MS
    const notAfter = new Date(Date.now() + lifeMs)
    const names: ConstructorParameters<typeof x509.SubjectAlternativeNameExtension>[0] = isHost
      ? [{ type: 'url', value: `${HOST_URI_PREFIX}${subject.hostId}` }]
      : [
          { type: 'dns', value: 'gateway.drover' },
          { type: 'url', value: `spiffe://drover/gateway/${subject.gateway}` },
        ]
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: `CN=${isHost ? `host ${subject.hostId}` : `gateway ${subject.gateway}`}`,
      issuer: this.certificate.subject,
      notBefore: new Date(Date.now() - Math.min(BACKDATE_MS, lifeMs / 10)),
      notAfter,
      signingAlgorithm: P256,
      publicKey: request.publicKey,
      signingKey: this.key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          isHost ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
        ]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.certificate.publicKey),
      ],
    })
    const der = Buffer.from(certificate.rawData)
    return {
      certificate: certificate.toString('pem'),
      serial,
      notAfter,
      fingerprint: createHash('sha256').update(der).digest(),
      publicKey: pointOf(certificate.publicKey.toString('pem')),
    }
  }
}

/** 127 random bits: positive, as a serial must be, with a first nibble of at most 7. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0] ?? 0) & 0x7f
  return bytes.toString('hex')
}
