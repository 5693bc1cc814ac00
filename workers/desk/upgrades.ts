/** Signing upgrades: the worker's part of changing agents to another version, some hosts of each rollout at a time. */
import type { Logger } from '../../base/logger.js'
import { Lookout } from '../../base/lookout.js'
import type { Signer } from '../../activities/signer.js'
import { type HintListener, sendHint } from '../../store/postgres/hints.js'
import type { Pool } from '../../store/postgres/pool.js'
import { transaction } from '../../store/postgres/transaction.js'
import { answerUpgradeRequest, endIdleUpgrades, takeUpgradeRequests } from '../../store/postgres/upgrades.js'

const LOOK_EVERY_MS = 1_000
const BATCH = 200

export class UpgradeDesk implements AsyncDisposable {
  private readonly lookout: Lookout
  private readonly off: () => void
  private readonly pool: Pool
  private readonly signer: Signer

  constructor(parts: { pool: Pool; hints: HintListener; signer: Signer; logger: Logger }) {
    this.pool = parts.pool
    this.signer = parts.signer
    this.lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.sign(),
      onError: (err) => parts.logger.warn({ err }, 'upgrades could not be signed; looking again'),
    })
    this.off = parts.hints.on('flags', () => this.lookout.poke())
  }

  private async sign(): Promise<void> {
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
    this.off()
    await this.lookout.stop()
  }
}
