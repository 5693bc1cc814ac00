/** An execution that no workflow touches: the test plays worker and gateway, through the stores. */
import type { ExecutionId, HostId, StepExecutionId } from '../../domain/id'
import { dispatchKey } from '../../store/log/dispatch-key'
import { setExecutionState, setStepState } from '../../store/postgres/executions'
import { sendHint } from '../../store/postgres/hints'
import { type HostUpdate, writeHostUpdates } from '../../store/postgres/ledger'
import { transaction } from '../../store/postgres/transaction'
import type { ApiFixture } from './api-fixture'

interface Stage {
  api: ApiFixture
  hostIds: readonly HostId[]
}

/** Sessions of the hosts at a gateway that is not there: the ledger takes results of no others. */
export async function playSessions({ api, hostIds }: Stage): Promise<void> {
  await api.pool.query(
    `insert into agent_session (scope_id, host_id, gateway, gateway_boot, epoch)
     select $1, unnest($2::bigint[]), 'g', gen_random_uuid(), 1`,
    [api.scopeId, hostIds],
  )
}

export class PlayedRun {
  readonly id: ExecutionId
  readonly stepId: StepExecutionId
  private readonly day: string
  private readonly stage: Stage

  private constructor(stage: Stage, id: string, stepId: string, day: string) {
    this.stage = stage
    this.id = id as ExecutionId
    this.stepId = stepId as StepExecutionId
    this.day = day
  }

  static async launch(stage: Stage, target: string): Promise<PlayedRun> {
    const { api } = stage
    const body = { target, script: { script: 'true' } }
    const made = await api.call('/executions', { method: 'POST', body })
    const id = String(made.body['id'])
    const shown = await api.call(`/executions/${id}`)
    const [step] = shown.body['steps'] as { id: string }[]
    const row = await api.pool.query<{ output_day: string }>(
      'select output_day from execution where id = $1',
      [id],
    )
    const played = new PlayedRun(stage, id, step!.id, row.rows[0]!.output_day)
    await transaction(api.pool, (tx) => setExecutionState(tx, played.key, 'running'))
    return played
  }

  get key() {
    return { scopeId: this.stage.api.scopeId, executionId: this.id }
  }

  async host(index: number, state: HostUpdate['state'], more: Partial<HostUpdate> = {}): Promise<void> {
    const update: HostUpdate = {
      ...this.key,
      stepExecutionId: this.stepId,
      hostId: this.stage.hostIds[index]!,
      attempt: 1,
      state,
      started: 'yes',
      epoch: '1',
      gateway: 'g',
      ...more,
    }
    await writeHostUpdates(this.stage.api.pool, [update])
    await sendHint(this.stage.api.pool, 'executions', this.id)
  }

  async write(index: number, stream: 'stdout' | 'stderr', offset: number, data: Buffer): Promise<void> {
    const dispatch = dispatchKey(this.stepId, 1, this.stage.hostIds[index]!)
    await this.stage.api.output.insert([{ day: this.day, dispatch, stream, offset, data }])
    await sendHint(this.stage.api.pool, 'executions', this.id)
  }

  async end(state: 'succeeded' | 'failed' = 'succeeded'): Promise<void> {
    await transaction(this.stage.api.pool, async (tx) => {
      await setStepState(tx, { ...this.key, stepExecutionId: this.stepId }, state)
      await setExecutionState(tx, this.key, state)
    })
  }
}
