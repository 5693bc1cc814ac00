/** Waiting for certificates: all requests of a gateway are looked up by one question, so that a fleet can join at once. */
import type { ScopeId } from '../domain/id.js'
import { type CertificateAnswer, findCertificateAnswers } from '../store/postgres/certificates.js'
import type { GatewayDependencies } from './dependencies.js'

// Hints only shorten this.
const LOOK_EVERY_MS = 200

export class CertificateAnswers {
  private readonly waiting = new Map<string, (answer: CertificateAnswer | undefined) => void>()
  private readonly deps: GatewayDependencies
  private looking = false
  private again = false
  private stop: (() => void) | undefined

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
      this.stop ??= this.begin()
      void this.look()
    })
  }

  private begin(): () => void {
    const off = this.deps.hints.on('certificates', () => void this.look())
    const timer = setInterval(() => void this.look(), LOOK_EVERY_MS)
    return () => {
      off()
      clearInterval(timer)
    }
  }

  private rest(): void {
    this.stop?.()
    this.stop = undefined
  }

  /** One question at a time; what happens meanwhile is asked for by the next. */
  private async look(): Promise<void> {
    this.again = true
    if (this.looking) return
    this.looking = true
    try {
      while (this.again && this.waiting.size) {
        this.again = false
        await this.ask(this.deps.self.scopeId)
      }
    } finally {
      this.looking = false
    }
  }

  private async ask(scopeId: ScopeId): Promise<void> {
    const { pool, logger } = this.deps
    try {
      const answers = await findCertificateAnswers(pool, scopeId, [...this.waiting.keys()])
      for (const answer of answers) this.waiting.get(answer.id)?.(answer)
    } catch (err) {
      logger.debug({ err }, 'answers to certificate requests could not be looked up; trying again')
    }
  }
}
