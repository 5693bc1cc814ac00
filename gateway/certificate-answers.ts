/** Waiting for certificates: all requests of a gateway are looked up by one question, so that a fleet can join at once. */
import { Lookout } from '../base/lookout.js'
import { type CertificateAnswer, findCertificateAnswers } from '../store/postgres/certificates.js'
import type { GatewayDependencies } from './dependencies.js'

// Hints only shorten this.
const LOOK_EVERY_MS = 200

export class CertificateAnswers {
  private readonly waiting = new Map<string, (answer: CertificateAnswer | undefined) => void>()
  private readonly deps: GatewayDependencies
  private off: (() => void) | undefined
  private lookout: Lookout | undefined

  constructor(deps: GatewayDependencies) {
    this.deps = deps
  }

  /** The answer to a request; undefined if none comes within `forMs`, or the signal aborts. */
  wait(id: string, forMs: number, signal: AbortSignal): Promise<CertificateAnswer | undefined> {
    return new Promise((resolve) => {
      const done = (answer?: CertificateAnswer) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        this.waiting.delete(id)
        if (!this.waiting.size) this.rest()
        resolve(answer)
      }
      const onAbort = () => done()
      const timer = setTimeout(done, forMs)
      signal.addEventListener('abort', onAbort, { once: true })
      this.waiting.set(id, done)
      this.lookout ??= this.begin()
      this.lookout.poke()
    })
  }

  private begin(): Lookout {
    const { hints, logger } = this.deps
    const lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      onError: (err) =>
        logger.debug({ err }, 'answers to certificate requests could not be looked up; trying again'),
    })
    this.off = hints.on('certificates', () => lookout.poke())
    return lookout
  }

  private rest(): void {
    this.off?.()
    void this.lookout?.stop()
    this.lookout = undefined
  }

  private async look(): Promise<void> {
    const { pool, self } = this.deps
    if (!this.waiting.size) return
    for (const answer of await findCertificateAnswers(pool, self.scopeId, [...this.waiting.keys()]))
      this.waiting.get(answer.id)?.(answer)
  }
}
