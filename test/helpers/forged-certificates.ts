/** Certificates that nobody should accept: of the platform's own CA, but with something wrong; and of CAs of our own. */
import 'reflect-metadata'
import { createHash, webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as x509 from '@peculiar/x509'
import type { ScopeId } from '../../domain/id'
import type { Platform } from '../../stack/platform/platform'
import { masterKeyFile } from '../../stack/platform/roles'
import { findPrivateKey } from '../../store/postgres/platform-keys'
import type { Db } from '../../store/postgres/pool'
import { parseMasterKey } from '../../store/seal'

x509.cryptoProvider.set(webcrypto)
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HOUR_MS = 3_600_000

export interface Forged {
  /** PEM */
  certificate: string
  key: string
  /** sha256 of the DER. */
  fingerprint: Buffer
}

export interface Wish {
  subject: string
  uris?: string[]
  dns?: string[]
  usage?: 'client' | 'server' | 'none'
  /** From and to, ms from now. */
  valid?: [number, number]
}

export class Forger {
  private readonly issuer: { name: string; key: webcrypto.CryptoKey } | undefined

  private constructor(issuer?: { name: string; key: webcrypto.CryptoKey }) {
    this.issuer = issuer
  }

  /** Signs with the platform's own key, as whoever had stolen that could. */
  static async inside(platform: Pick<Platform, 'data'>, db: Db): Promise<Forger> {
    const master = parseMasterKey(readFileSync(masterKeyFile(platform.data), 'utf8').trim())
    const ca = await findPrivateKey(db, '1' as ScopeId, 'ca', master)
    if (!ca) throw new Error('the platform has no CA')
    const pkcs8 = Buffer.from(ca.privatePart, 'base64')
    const key = await webcrypto.subtle.importKey('pkcs8', pkcs8, P256, false, ['sign'])
    return new Forger({ name: new x509.X509Certificate(ca.publicPart).subject, key })
  }

  /** A CA of its own, by the same name. */
  static async outside(name: string): Promise<Forger> {
    const { privateKey } = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
    return new Forger({ name, key: privateKey })
  }

  static selfSigned(): Forger {
    return new Forger()
  }

  async make({
    subject,
    uris = [],
    dns = [],
    usage = 'client',
    valid = [-HOUR_MS, HOUR_MS],
  }: Wish): Promise<Forged> {
    const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
    const names: x509.JsonGeneralName[] = [
      ...uris.map((value) => ({ type: 'url', value }) as const),
      ...dns.map((value) => ({ type: 'dns', value }) as const),
    ]
    const extended = usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth
    const certificate = await x509.X509CertificateGenerator.create({
      subject,
      issuer: this.issuer?.name ?? subject,
      notBefore: new Date(Date.now() + valid[0]),
      notAfter: new Date(Date.now() + valid[1]),
      signingAlgorithm: P256,
      publicKey: keys.publicKey,
      signingKey: this.issuer?.key ?? keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        ...(usage === 'none' ? [] : [new x509.ExtendedKeyUsageExtension([extended])]),
        new x509.SubjectAlternativeNameExtension(names),
      ],
    })
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    return {
      certificate: certificate.toString('pem'),
      key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
      fingerprint: createHash('sha256').update(Buffer.from(certificate.rawData)).digest(),
    }
  }
}
