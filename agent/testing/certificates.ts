/** A small CA for the tests: real P-256 certificates with the names that Drover's own carry. */
import 'reflect-metadata'
import { createHash, createPublicKey, generateKeyPairSync, KeyObject, sign, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(x509.CryptoProvider.DEFAULT, webcrypto)
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface IssuedCertificate {
  certPem: string
  keyPem: string
}

export class TestCa {
  readonly pem: string
  private readonly cert: x509.X509Certificate
  private readonly keys: webcrypto.CryptoKeyPair

  private constructor(cert: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.cert = cert
    this.keys = keys
    this.pem = `${cert.toString('pem')}\n`
  }

  static async create(name = 'Drover test CA'): Promise<TestCa> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 365 * 86_400_000),
      keys: keys,
      signingAlgorithm: algorithm,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    })
    return new TestCa(cert, keys)
  }

  get sha256(): Buffer {
    return createHash('sha256').update(Buffer.from(this.cert.rawData)).digest()
  }

  /** A signature by the CA's own key. */
  sign(bytes: Buffer): Buffer {
    return sign('sha256', bytes, KeyObject.from(this.keys.privateKey))
  }

  /** A server's leaf with a key of its own. */
  async issueServer(dns: string): Promise<IssuedCertificate> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const certPem = await this.issue(
      spki,
      [
        { type: 'dns', value: dns },
        { type: 'url', value: 'spiffe://drover/gateway/test' },
      ],
      86_400_000,
    )
    return { certPem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
  }

  /** Answers a host's request; throws when the request's signature is wrong. */
  async issueHost(csr: Uint8Array, hostId: string, lifeMs: number): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(csr))
    if (!(await request.verify())) throw new Error('the request is not signed by its own key')
    const spki = createPublicKey({
      key: Buffer.from(request.publicKey.rawData),
      format: 'der',
      type: 'spki',
    }).export({
      type: 'spki',
      format: 'der',
    })
    return this.issue(spki, [{ type: 'url', value: `spiffe://drover/host/${hostId}` }], lifeMs)
  }

  private async issue(spki: Buffer, names: x509.JsonGeneralName[], lifeMs: number): Promise<string> {
    const cert = await x509.X509CertificateGenerator.create({
      subject: 'CN=drover',
      issuer: this.cert.subject,
      notBefore: new Date(Date.now() - 1_000),
      notAfter: new Date(Date.now() + lifeMs),
      publicKey: new x509.PublicKey(new Uint8Array(spki)),
      signingKey: this.keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [new x509.SubjectAlternativeNameExtension(names)],
    })
    return `${cert.toString('pem')}\n`
  }
}
