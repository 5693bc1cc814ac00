/** The desk: answers what only a holder of the keys may answer — certificate requests and stops — within a fraction of a second. */
import type { Logger } from '../../base/logger.js'
import { Lookout } from '../../base/lookout.js'
import { PlatformError } from '../../domain/errors.js'
import {
  answerCertificateRequest,
  type CertificateRequest,
  insertCertificate,
  takeCertificateRequests,
} from '../../store/postgres/certificates.js'
import { type HintListener, sendHint } from '../../store/postgres/hints.js'
import type { Db, Pool } from '../../store/postgres/pool.js'
import { answerStopRequest, takeStopRequests } from '../../store/postgres/stops.js'
import { transaction } from '../../store/postgres/transaction.js'
import { admit } from './admission.js'
import type { PlatformKeys } from './keys.js'

const LOOK_EVERY_MS = 500
const BATCH = 50

export class Desk implements AsyncDisposable {
  private readonly lookout: Lookout
  private readonly offs: (() => void)[]
  private readonly pool: Pool
  private readonly keys: PlatformKeys
  private readonly logger: Logger

  constructor(pool: Pool, hints: HintListener, keys: PlatformKeys, logger: Logger) {
    this.pool = pool
    this.keys = keys
    this.logger = logger
    this.lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.answerAll(),
      onError: (err) => logger.warn({ err }, 'the desk could not answer; looking again'),
    })
    this.offs = [
      hints.on('certificates', () => this.lookout.poke()),
      hints.on('flags', () => this.lookout.poke()),
    ]
  }

  private async answerAll(): Promise<void> {
    const stops = await transaction(this.pool, (tx) => this.answerStops(tx))
    for (const executionId of stops) await sendHint(this.pool, 'flags', executionId)
    const answered = await transaction(this.pool, (tx) => this.answerCertificates(tx))
    if (answered) await sendHint(this.pool, 'certificates', '')
    if (stops.length === BATCH || answered === BATCH) this.lookout.poke()
  }

  private async answerStops(tx: Db): Promise<string[]> {
    const requests = await takeStopRequests(tx, BATCH)
    for (const request of requests) await answerStopRequest(tx, request, this.keys.signer.signStop(request))
    return requests.map((request) => request.executionId)
  }

  private async answerCertificates(tx: Db): Promise<number> {
    const requests = await takeCertificateRequests(tx, BATCH)
    for (const request of requests) await this.answer(tx, request)
    return requests.length
  }

  /** Answers one request; what it did before it was refused is undone, and the others of the batch go on. */
  private async answer(tx: Db, request: CertificateRequest): Promise<void> {
    await tx.query('savepoint request')
    try {
      const subject = await admit(tx, request, this.keys.gatewayKey)
      const issued = await this.keys.authority.issue(
        request.csr,
        subject.hostId === null ? { gateway: subject.gateway ?? '' } : { hostId: subject.hostId },
      )
      await insertCertificate(tx, subject, issued)
      await answerCertificateRequest(tx, request, {
        hostId: subject.hostId,
        certificate: issued.certificate,
      })
    } catch (err) {
      await tx.query('rollback to savepoint request')
      const code = err instanceof PlatformError ? err.code : 'certificate_request_invalid'
      this.logger.warn(
        { err, kind: request.kind, requestId: request.id, code },
        'a certificate request was refused',
      )
      await answerCertificateRequest(tx, request, {
        refused: err instanceof PlatformError ? err.message : 'the certificate request was refused',
        code,
      })
    }
    await tx.query('release savepoint request')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const off of this.offs) off()
    await this.lookout.stop()
  }
}
