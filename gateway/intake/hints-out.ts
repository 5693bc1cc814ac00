/** Outgoing hints, coalesced: viewers learn within 25 ms that there is something new, at forty notifications a second at most. */
import type { Logger } from '../../base/logger.js'
import { sendHint } from '../../store/postgres/hints.js'
import type { Db } from '../../store/postgres/pool.js'

const EVERY_MS = 25

// A notification's payload is limited to 8,000 bytes; viewers of the rest look again within seconds.
const IDS_PER_HINT = 350

export class HintSender {
  private readonly ids = new Set<string>()
  private timer: NodeJS.Timeout | undefined
  private lastAt = 0
  private readonly db: Db
  private readonly logger: Logger

  constructor(db: Db, logger: Logger) {
    this.db = db
    this.logger = logger
  }

  /** Tells that an execution has new events or output; at once if nothing was told lately. */
  add(executionId: string): void {
    this.ids.add(executionId)
    this.timer ??= setTimeout(() => this.flush(), Math.max(0, this.lastAt + EVERY_MS - Date.now()))
  }

  private flush(): void {
    this.timer = undefined
    this.lastAt = Date.now()
    const ids = [...this.ids].slice(0, IDS_PER_HINT)
    this.ids.clear()
    sendHint(this.db, 'executions', ids.join(',')).catch((err) =>
      this.logger.debug({ err }, 'a hint could not be sent'),
    )
  }
}
