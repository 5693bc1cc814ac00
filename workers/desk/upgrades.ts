/** Signing upgrades: the worker's part of changing agents to another version, some hosts of each rollout at a time. */
import type { Logger } from '../../base/logger.js'
import type { Signer } from '../../activities/signer.js'
import { type HintListener, sendHint } from '../../store/postgres/hints.js'
import type { Pool } from '../../store/postgres/pool.js'
import { transaction } from '../../store/postgres/transaction.js'
import { answerUpgradeRequest, endIdleUpgrades, takeUpgradeRequests } from '../../store/postgres/upgrades.js'

const LOOK_EVERY_MS = 1_000
const BATCH = 200

export class UpgradeDesk implements AsyncDisposable {
  private readonly timer: NodeJS.Timeout
  private readonly off: () => void
  private working: Promise<void> | undefined
  private readonly pool: Pool
  private readonly signer: Signer
  private readonly logger: Logger

  constructor(parts: { pool: Pool; hints: HintListener; signer: Signer; logger: Logger }) {
    this.pool = parts.pool
    this.signer = parts.signer
    this.logger = parts.logger
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS)
    this.off = parts.hints.on('flags', () => this.look())
  }

  private look(): void {
    this.working ??= this.work()
      .catch((err) => this.logger.warn({ err }, 'upgrades could not be signed; looking again'))
      .finally(() => {
        this.working = undefined
      })
  }

  private async work(): Promise<void> {
    const signed = await transaction(this.pool, async (tx) => {
      await endIdleUpgrades(tx)
      const requests = await takeUpgradeRequests(tx, BATCH)
      for (const request of requests)
        await answerUpgradeRequest(tx, request, this.signer.signUpgrade(request))
      return requests.length
    })
    // Gateways look by themselves; this spares the wait.
    if (signed) await sendHint(this.pool, 'flags', '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    this.off()
    await this.working
  }
}
