/** After the database was put back: sessions begin anew, and hosts are asked what their journals know of the runs that are held. */
import { Lookout } from '../../base/lookout.js'
import { dispatchId } from '../../proto/index.js'
import type { HostId } from '../../domain/id.js'
import { listRecoveredTasks, type RecoveredTask, writeAbsent } from '../../store/postgres/held-runs.js'
import { findRecoveryMark, type RecoveryMark } from '../../store/postgres/recovery-marks.js'
import type { GatewayDependencies } from '../dependencies.js'
import { registerTask } from '../dispatch/orders.js'
import { comeBackAfterMs, type SessionRegistry } from './registry.js'
import type { Session, SessionTask } from './session.js'

const LOOK_EVERY_MS = 1_000

export class RecoveredWatch implements Disposable {
  private readonly lookout: Lookout
  private readonly off: () => void
  /** The newest recovery that was seen; undefined before the first look. */
  private mark: RecoveryMark | null | undefined
  /** What each session was asked already: its stream loses nothing while it lives. */
  private readonly asked = new WeakMap<Session, Set<string>>()
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry

  constructor(deps: GatewayDependencies, sessions: SessionRegistry) {
    this.deps = deps
    this.sessions = sessions
    this.lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      onError: (err) =>
        deps.logger.warn({ err }, 'runs that are held after a restore could not be looked for'),
    })
    this.off = deps.hints.on('flags', () => this.lookout.poke())
  }

  /** Whether a task is one that this session was asked about: what the agent says was stored may be lost with the rest. */
  hasAsked(session: Session, task: SessionTask): boolean {
    return this.asked.get(session)?.has(task.dispatch) === true
  }

  /** Takes the answer of a journal that does not know a task: nothing of it was ever started there. */
  absent(session: Session, task: SessionTask): void {
    if (!this.asked.get(session)?.has(task.dispatch)) return
    const { hostId, epoch } = session
    writeAbsent(this.deps.pool, { ...task, hostId }, epoch).catch((err) =>
      this.deps.logger.warn({ err, hostId }, 'what a host does not know could not be recorded'),
    )
  }

  private async look(): Promise<void> {
    const mark = (await findRecoveryMark(this.deps.pool)) ?? null
    if (this.mark !== undefined && mark && mark.tag !== this.mark?.tag) this.endSessions(mark)
    this.mark = mark
    if (mark) await this.ask()
  }

  /** What the database says of sessions is of another time: every host says anew who it is and what it has. */
  private endSessions({ tag }: RecoveryMark): void {
    const open = this.sessions.all()
    this.deps.logger.warn(
      { tag, sessions: open.length },
      'the database was put back: all sessions begin anew',
    )
    for (const [index, session] of open.entries()) {
      session.end({
        code: 'session_superseded',
        message: 'the control plane was restored; say hello again',
        retryAfterMs: 1 + comeBackAfterMs(index),
      })
    }
  }

  private async ask(): Promise<void> {
    const hostIds = this.sessions.all().map((session) => session.hostId)
    if (!hostIds.length) return
    for (const task of await listRecoveredTasks(this.deps.pool, hostIds)) {
      const session = this.sessions.get(task.hostId as HostId)
      if (session) this.askOne(session, task)
    }
  }

  private askOne(session: Session, task: RecoveredTask): void {
    const asked = this.asked.get(session) ?? new Set()
    this.asked.set(session, asked)
    const dispatch = dispatchId(task.stepExecutionId, task.attempt, task.hostId).toString('hex')
    if (asked.has(dispatch)) return
    asked.add(dispatch)
    const { dispatchId: wanted } = registerTask(session, task, {})
    session.send({ $case: 'taskWanted', value: { dispatchId: wanted } })
  }

  [Symbol.dispose](): void {
    void this.lookout.stop()
    this.off()
  }
}
