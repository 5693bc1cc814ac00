/** A run of the real engine beside one of the model: the same is done to both, and both must come to the same. */
import { constants, existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { pause, type TestApi } from '../helpers/api'
import { brings, makePlan } from '../helpers/nested-plans'
import { operate, type Operation } from './operate'
import { adopt, finish, type Host, makeRun, type Run, type StepPlan, type When } from './run'
import { BRINGS, type Command, HOSTS, type Scenario } from './scenario'

/** Far more than anything takes that the model says comes at once, on a machine with much else to do. */
const PATIENCE_MS = 60_000
/** After the last command: whatever else the engine would do by itself has happened by then. */
const QUIET_MS = 300

interface Seen {
  run: string
  steps: { state: string; hosts: { id: string; state: string; attempt: number }[] }[]
}

export class PlayedScenario {
  private readonly model: Run
  /** Starts of scripts that both have been seen to have, by step and host. */
  private begun: number[][]
  private readonly api: TestApi
  private readonly folder: string
  private readonly id: string

  private constructor(api: TestApi, folder: string, { id, plan }: { id: string; plan: StepPlan[] }) {
    this.api = api
    this.folder = folder
    this.id = id
    this.model = makeRun(plan, HOSTS)
    this.begun = this.model.steps.map(({ hosts }) => hosts.map(() => 0))
  }

  /** Plays it to its end; throws where engine and model differ. @param folder where scripts wait for their end */
  static async play(api: TestApi, folder: string, { plan, commands }: Scenario): Promise<void> {
    const steps = await toSteps(api, plan, folder)
    const id = await api.launch({ target: '*', plan: { name: 'model', steps } })
    const played = new PlayedScenario(api, folder, { id, plan })
    const told: string[] = []
    try {
      await played.agree()
      for (const command of commands) {
        told.push(await played.carryOut(command))
        await played.agree()
      }
      await pause(QUIET_MS)
      await played.agree()
    } catch (error) {
      throw new Error(`${(error as Error).message}\nplan ${JSON.stringify(plan)}\n${told.join('\n')}`)
    } finally {
      await api.operate(id, { kind: 'cancel' })
    }
  }

  private async carryOut(command: Command): Promise<string> {
    if (command.do === 'operate') return this.operate(command.operation)
    const running = this.model.steps.flatMap(({ hosts }, step) =>
      hosts.flatMap((host, at) => (host.state === 'running' ? [{ step, at, host }] : [])),
    )
    const ends =
      command.do === 'finish all'
        ? running.map((one, at) => ({ ...one, isWell: command.areWell[at] ?? true }))
        : running
            .filter((_, at) => at === command.which % running.length)
            .map((one) => ({ ...one, isWell: command.isWell }))
    const { steps } = await this.seen()
    for (const { step, at, host, isWell } of ends)
      await tell(this.gate(step, steps[step]?.hosts[at]?.id ?? '', host.begun), isWell ? '0' : '1')
    finish(this.model, ends)
    return `end: ${ends.map(({ step, at, isWell }) => `host ${at} of step ${step} ${isWell ? 'well' : 'badly'}`).join(', ')}`
  }

  private async operate({ host, ...operation }: Operation): Promise<string> {
    const { steps } = await this.seen()
    const count = this.model.steps.length
    const step = operation.step === undefined ? undefined : operation.step % (count + 1)
    const named = step === undefined ? operation : { ...operation, step }
    const hosts = steps.find((one) => one.hosts.length)?.hosts ?? []
    const names = host === undefined ? {} : { hosts: [hosts[host]?.id ?? '1'] }
    const answer = await this.api.operate(this.id, { ...named, ...names })
    const accepted = operate(this.model, host === undefined ? named : { ...named, host })
    const text = `${JSON.stringify({ ...named, ...(host === undefined ? {} : { host }) })}: ${answer.body.state ?? answer.body.detail}`
    if (answer.status < 300 !== accepted || (!accepted && answer.body.code !== 'operation_refused'))
      throw new Error(`the model ${accepted ? 'takes' : 'refuses'} ${text}`)
    return text
  }

  /** Resolves when the engine is where the model is. */
  private async agree(): Promise<void> {
    for (const until = Date.now() + PATIENCE_MS; ; await pause(40)) {
      const seen = await this.seen()
      this.adoptFrom(seen)
      const differs = this.difference(seen)
      if (differs === undefined) break
      if (Date.now() > until) throw new Error(`r-${this.id}: ${differs}`)
    }
    this.begun = this.model.steps.map(({ hosts }) => hosts.map((host) => host.begun))
  }

  private adoptFrom({ steps }: Seen): void {
    for (const [at, { plan, hosts }] of this.model.steps.entries()) {
      if (plan.limit === undefined) continue
      const taken = steps[at]?.hosts.map(({ state }) => state === 'running') ?? []
      adopt(hosts, taken, this.begun[at] ?? [])
    }
  }

  private difference({ run, steps }: Seen): string | undefined {
    const ours = {
      run: this.model.state,
      steps: this.model.steps.map(({ state, hosts }) => ({ state, hosts: hosts.map(shown) })),
    }
    const theirs = { run, steps: steps.map(({ state, hosts }) => ({ state, hosts: hosts.map(shown) })) }
    const texts = [JSON.stringify(ours), JSON.stringify(theirs)]
    if (texts[0] !== texts[1]) return `the model is at\n${texts[0]}, the engine at\n${texts[1]}`
    for (const [step, { hosts }] of this.model.steps.entries())
      for (const [at, { begun }] of hosts.entries()) {
        const id = steps[step]?.hosts[at]?.id ?? ''
        const counted = this.countStarts(step, id)
        if (counted !== begun)
          return `step ${step} began ${counted} times on host ${at}, the model says ${begun}`
      }
    return undefined
  }

  private countStarts(step: number, hostId: string): number {
    let count = 0
    while (existsSync(this.gate(step, hostId, count + 1))) count++
    return count
  }

  private gate(step: number, hostId: string, start: number): string {
    return `${this.folder}/${this.id}-${step}-${hostId}.${start}`
  }

  private async seen(): Promise<Seen> {
    const { state, steps } = await this.api.get(this.id)
    const hosts = await Promise.all(
      steps.map(async (step) => (step.hosts ? await this.api.hosts(this.id, step.position) : [])),
    )
    return {
      run: state,
      steps: steps.map((step, at) => ({
        state: step.state,
        hosts: (hosts[at] ?? []).map(({ hostId, state, attempt }) => ({ id: hostId, state, attempt })),
      })),
    }
  }
}

const shown = ({ state, attempt }: Pick<Host, 'attempt'> & { state: string }) => `${state} ${attempt}`

/** Steps of a run; those that come with a plan are kept as one, and brought by a step. */
async function toSteps(api: TestApi, plan: readonly StepPlan[], folder: string): Promise<object[]> {
  const steps = plan.map((step, at) => toStep(step, at, folder))
  const visit = plan.find((step) => step.visit)?.visit
  if (!visit) return steps
  const { first, end, ignore, when } = visit
  const kept = await makePlan(api, steps.slice(first, end))
  const more = { ...conditionOf(when), ...(ignore ? { onFailure: 'ignore' } : {}) }
  return [...steps.slice(0, first), brings(BRINGS, kept, more), ...steps.slice(end)]
}

const conditionOf = (when: When | undefined) =>
  when ? { when: `steps["${when.name}"].${when.ask} ${when.any ? '> 0' : '== 0'}` } : {}

/** A script waits at its gate, a pipe of its own for each start, until it is told how to end. */
function toStep({ kind, retries, ignore, limit, when }: StepPlan, at: number, folder: string): object {
  const condition = conditionOf(when)
  const name = `s${at}`
  if (kind !== 'script')
    return { type: 'wait', name, durationMs: kind === 'nap' ? 1_000 : 3_600_000, ...condition }
  const base = `${folder}/$DROVER_EXECUTION-${at}-$DROVER_HOST`
  return {
    name,
    language: 'sh',
    script: `n=1; while [ -e ${base}.$n ]; do n=$((n+1)); done; mkfifo ${base}.$n; read end < ${base}.$n; exit $end`,
    graceMs: 500,
    ...(retries ? { retry: { attempts: retries, backoffMs: 0 } } : {}),
    ...(ignore ? { onFailure: 'ignore' } : {}),
    ...(limit === undefined ? {} : { concurrency: limit }),
    ...condition,
  }
}

/** Writes to a script that may not have come to reading yet. */
async function tell(gate: string, word: string): Promise<void> {
  for (const until = Date.now() + PATIENCE_MS; ; await pause(20)) {
    try {
      const file = await open(gate, constants.O_WRONLY | constants.O_NONBLOCK)
      await file.write(`${word}\n`)
      return await file.close()
    } catch (error) {
      if (Date.now() > until) throw error
    }
  }
}
