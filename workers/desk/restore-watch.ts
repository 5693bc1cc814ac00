/** Notices that the database was put back to an older state, and holds what it has forgotten before anything is done on it. */
import { randomUUID } from 'node:crypto'
import type { Logger } from '../../base/logger.js'
import { Lookout } from '../../base/lookout.js'
import { type Beat, beatLedger } from '../../store/postgres/ledger-beats.js'
import type { Pool } from '../../store/postgres/pool.js'
import { type Recovery, recoverLedger } from '../../store/postgres/recoveries.js'
import { firstScope } from '../../store/postgres/scopes.js'
import { transaction } from '../../store/postgres/transaction.js'

const BEAT_EVERY_MS = 1_000

export class RestoreWatch implements AsyncDisposable {
  private readonly lookout: Lookout
  private last: Beat = { worker: randomUUID(), beat: 0n, at: new Date(0) }
  private readonly pool: Pool
  private readonly logger: Logger

  /** @param pool one that is not guarded: this is who ends what the guard waits for */
  constructor(pool: Pool, logger: Logger) {
    this.pool = pool
    this.logger = logger
    this.lookout = new Lookout({
      everyMs: BEAT_EVERY_MS,
      look: () => this.beat(),
      onError: (err) => logger.debug({ err }, 'a beat could not be written'),
    })
  }

  private async beat(): Promise<void> {
    const { last } = this
    const answer = await transaction(this.pool, async (tx) => {
      const { id } = await firstScope(tx)
      return beatLedger(tx, id, last)
    })
    if (answer !== 'put back') {
      this.last = answer
      return
    }
    const detail = { worker: last.worker, beat: String(last.beat), lastSeenAt: last.at }
    const recovery = await transaction(this.pool, (tx) =>
      recoverLedger(tx, { cause: 'beat', detail, since: last.at }),
    )
    if (recovery) this.tell(recovery)
  }

  private tell({ tag, cause, held }: Recovery): void {
    this.logger.error(
      { tag, cause, held },
      'the database was put back to an older state; open runs are held until they are resumed',
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lookout.stop()
  }
}
