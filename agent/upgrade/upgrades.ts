/** Upgrades: a signed order becomes a checked bundle, the supervisor's next version, and a report of what came of it. */
import { createLogger } from '../../base/logger.js'
import {
  sha256,
  type UpgradeAgent,
  type UpgradeOrder,
  type UpgradeReport,
  UpgradeState,
} from '../../proto/index.js'
import { hasErrno } from '../files.js'
import type { PolicyState } from '../policy.js'
import type { SigningKeys } from '../task/order.js'
import { isRefusal, type Refusal, refuse } from '../task/refusal.js'
import { findBundleFault } from './check-bundle.js'
import { checkUpgrade, readUpgrade } from './order.js'
import { readRecord, type UpgradeRecord, writeRecord } from './record.js'
import type { Versions } from './versions.js'

const log = createLogger('agent:upgrade')

const MAX_BUNDLE_BYTES = 64 << 20
const FETCH_TRIES = 3
// The supervisor looks five times a second.
const PROMOTED_WITHIN_MS = 10_000

export interface UpgradeHost {
  hostId: string
  keys: SigningKeys
  versions: Versions
  /** Hash (hex) of the bundle that runs, or `installed`; undefined without a supervisor. */
  supervised: string | undefined
  policy(): PolicyState
  isStopped(): boolean
  serverNowMs(): number
  fetchBundle(sha256: Buffer, bytes: number): Promise<Buffer>
  /** Ends this process well, so that the supervisor starts the next version. */
  restart(): void
}

const wireStates: Record<UpgradeRecord['state'], UpgradeState> = {
  downloading: UpgradeState.UPGRADE_STATE_DOWNLOADING,
  probation: UpgradeState.UPGRADE_STATE_PROBATION,
  done: UpgradeState.UPGRADE_STATE_DONE,
  rolled_back: UpgradeState.UPGRADE_STATE_ROLLED_BACK,
  refused: UpgradeState.UPGRADE_STATE_REFUSED,
}

export class Upgrades {
  /** Sends a report in the session that is open, if one is. */
  tell: ((report: UpgradeReport) => void) | undefined
  private readonly host: UpgradeHost
  private record: UpgradeRecord | undefined
  private working = false
  /** One that came while another was being prepared. */
  private waiting: UpgradeAgent | undefined

  constructor(host: UpgradeHost) {
    this.host = host
  }

  /** Before the first session: finds out what became of an upgrade that was under way. */
  async recover(): Promise<void> {
    const { versions, supervised } = this.host
    if (supervised === undefined) return
    this.record = await readRecord(versions.folder)
    const { record } = this
    if (record?.state !== 'probation' || record.sha256 === supervised) return
    const why = await versions.failureOf(record.sha256)
    await this.note({ ...record, state: 'rolled_back', ...explain(why) })
    log.error({ version: record.to, reason: this.record?.reason }, 'the version before runs again')
  }

  /** A session is up: a version on probation has shown that it can be reached, and what the server does not know is told. */
  async welcomed(): Promise<void> {
    const { versions, supervised } = this.host
    if (supervised === undefined) return
    if (this.record?.state === 'probation' && this.record.sha256 === supervised)
      await this.settleIn(supervised)
    this.repeat()
    await versions.tidy()
  }

  private async settleIn(own: string): Promise<void> {
    const { versions } = this.host
    if (await versions.isTrying(own)) await versions.setGood(own)
    for (const until = Date.now() + PROMOTED_WITHIN_MS; !(await versions.isCurrent(own)); ) {
      if (Date.now() > until) return log.error('the supervisor does not take this version as good')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    if (this.record) await this.note({ ...this.record, state: 'done' })
    log.info('this version is good')
  }

  /** Says how the last upgrade stands, unless the server has its end. */
  repeat(): void {
    if (!this.record || this.record.settled) return
    this.report(this.record)
  }

  /** The server has the final state. */
  async settled(id: bigint): Promise<void> {
    const { record } = this
    if (record?.id !== id.toString() || record.state === 'downloading' || record.state === 'probation') return
    await this.note({ ...record, settled: true }, false)
  }

  async order(upgrade: UpgradeAgent): Promise<void> {
    const { host } = this
    if (host.supervised === undefined) return
    const order = readUpgrade(upgrade, host.keys)
    if (!order)
      return log.error(
        { code: 'order_signature_invalid' },
        'an upgrade is not signed by a known key; ignored',
      )
    if (this.working) {
      this.waiting = upgrade
      return this.repeat()
    }
    // Told before: it is answered, and not carried out a second time. A download that was cut short begins again.
    if (this.record?.id === order.upgradeId.toString() && this.record.state !== 'downloading') {
      this.report(this.record)
      return
    }
    this.working = true
    try {
      await this.carryOut(order)
    } finally {
      this.working = false
    }
    const next = this.waiting
    this.waiting = undefined
    if (next && this.record?.state !== 'probation') await this.order(next)
  }

  private async carryOut(order: UpgradeOrder): Promise<void> {
    const again = this.record?.id === order.upgradeId.toString()
    const refusal = checkUpgrade(order, {
      hostId: this.host.hostId,
      serverNowMs: this.host.serverNowMs(),
      lastIssuedAtMs: again ? 0 : (this.record?.issuedAtMs ?? 0),
      isStopped: this.host.isStopped(),
      policy: this.host.policy(),
    })
    // Not recorded: an order that was not for this host, or that comes late, must not stand in the way of a right one.
    if (refusal) return this.turnDown(order, refusal)
    const sha = order.bundleSha256.toString('hex')
    await this.note({
      version: 1,
      id: order.upgradeId.toString(),
      to: order.version,
      sha256: sha,
      issuedAtMs: Number(order.issuedAtMs),
      state: 'downloading',
      reason: '',
      detail: '',
      settled: false,
    })
    log.info({ version: order.version }, 'an upgrade was ordered')
    if (sha === this.host.supervised) return this.update({ state: 'done', detail: 'it runs already' })
    const problem = await this.prepare(order)
    if (problem) return this.update({ state: 'refused', reason: problem.code, detail: problem.detail })
    await this.update({ state: 'probation' })
    // The point of no return: before this rename the old version goes on, after it the supervisor tries the new one.
    try {
      await this.host.versions.setNext(sha, order.probationMs)
    } catch (error) {
      return this.update({ state: 'refused', reason: 'agent_disk_full', detail: (error as Error).message })
    }
    this.host.restart()
  }

  /** Gets the bundle onto the disk and tries it. */
  private async prepare(order: UpgradeOrder): Promise<Refusal | undefined> {
    const { versions } = this.host
    const content = await this.fetch(order)
    if (isRefusal(content)) return content
    const sha = order.bundleSha256.toString('hex')
    try {
      await versions.writeBundle(sha, content)
    } catch (error) {
      if (!hasErrno(error, 'ENOSPC', 'EDQUOT', 'EROFS', 'EIO')) throw error
      return refuse('agent_disk_full', `the bundle cannot be written: ${(error as Error).message}`)
    }
    const fault = await findBundleFault(versions.bundle(sha), order.version)
    return fault === undefined ? undefined : refuse('bundle_broken', fault)
  }

  private async fetch(order: UpgradeOrder): Promise<Buffer | Refusal> {
    if (order.bundleBytes > MAX_BUNDLE_BYTES)
      return refuse('bundle_unavailable', `the bundle is larger than ${MAX_BUNDLE_BYTES} bytes`)
    for (let attempt = 1; ; attempt++) {
      try {
        const content = await this.host.fetchBundle(order.bundleSha256, order.bundleBytes)
        if (sha256(content).equals(order.bundleSha256)) return content
        return refuse(
          'bundle_unavailable',
          'the bytes that the gateway sent are not the ones that were signed',
        )
      } catch (error) {
        log.warn({ err: error, attempt }, 'a bundle could not be fetched')
        if (attempt >= FETCH_TRIES)
          return refuse('bundle_unavailable', `the bundle could not be fetched: ${(error as Error).message}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000 * attempt))
    }
  }

  private turnDown(order: UpgradeOrder, refusal: Refusal): void {
    log.warn({ code: refusal.code, version: order.version }, 'an upgrade was refused')
    this.tell?.({
      upgradeId: order.upgradeId,
      state: UpgradeState.UPGRADE_STATE_REFUSED,
      reason: refusal.code,
      detail: refusal.detail,
    })
  }

  private async update(change: Partial<UpgradeRecord>): Promise<void> {
    if (this.record) await this.note({ ...this.record, ...change })
  }

  private async note(record: UpgradeRecord, tell = true): Promise<void> {
    this.record = record
    await writeRecord(this.host.versions.folder, record)
    if (tell) this.report(record)
  }

  private report({ id, state, reason, detail }: UpgradeRecord): void {
    this.tell?.({ upgradeId: BigInt(id), state: wireStates[state], reason, detail })
  }
}

function explain(why: string | undefined): { reason: string; detail: string } {
  const [what, number] = (why ?? '').split(' ')
  if (what === 'crashed')
    return { reason: 'bundle_crashed', detail: `it ended with status ${number} before it had a session` }
  if (what === 'no_session')
    return { reason: 'bundle_no_session', detail: `it had no session within ${number} s` }
  return {
    reason: 'upgrade_interrupted',
    detail: 'the supervisor or the host ended in the middle of the change',
  }
}
