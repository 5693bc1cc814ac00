/** The load: so many script starts a second, held back when the platform falls behind, and what is done to runs meanwhile. */
import { randomUUID } from 'node:crypto'
import { pause, type TestApi } from '../helpers/api'
import { makePlan } from '../helpers/nested-plans'
import type { EffectFiles } from './effects'
import { planOf, type Shape } from './shapes'
import { steer } from './steering'

// Requests under way at once: a platform that stands still must not be buried under what waits for it.
const MOST_LAUNCHING = 6
// Patience with an API that is frozen, cut off and killed in turn.
const PATIENCE_MS = 240_000

export interface Run {
  id: string
  /** What it is called. */
  name: string
  shape: Shape
  launchedAt: number
  /** What an operator did to it, as the API answered. */
  done: string[]
  /** How many of them were accepted. */
  operations: number
  /** Whether it was taken up again after it had failed. */
  takenUp: boolean
  cancelAsked: boolean
}

export interface LoadOptions {
  startsPerSecond: number
  /** Runs without an end at most. */
  maxOpen: number
}

export class Load {
  readonly runs: Run[] = []
  /** What went wrong with requests: an answer that must not come, or none at all. */
  readonly failures: string[] = []
  /** Time during which it launched, ms, and the starts asked for in it. */
  activeMs = 0
  asked = 0
  private launching = 0
  private open = 0
  private openReadAt = 0
  private readonly working = new Set<Promise<void>>()
  private readonly api: TestApi
  private readonly effects: EffectFiles
  private readonly shapes: Generator<Shape, never>
  private readonly random: () => number
  private readonly options: LoadOptions

  constructor(
    parts: { api: TestApi; effects: EffectFiles; shapes: Generator<Shape, never>; random: () => number },
    options: LoadOptions,
  ) {
    this.api = parts.api
    this.effects = parts.effects
    this.shapes = parts.shapes
    this.random = parts.random
    this.options = options
  }

  /** Launches until told to stop; resolves when every request has its answer. */
  async run(stopped: AbortSignal): Promise<void> {
    const began = Date.now()
    while (!stopped.aborted) {
      const owed = ((Date.now() - began) / 1000) * this.options.startsPerSecond - this.asked
      if (owed > 0 && this.launching < MOST_LAUNCHING && (await this.hasRoom())) {
        const shape = this.shapes.next().value
        this.asked += startsOf(shape)
        this.track(this.launch(shape))
      } else {
        await pause(100)
      }
    }
    this.activeMs += Date.now() - began
    while (this.working.size) await Promise.all(this.working)
  }

  /** Launches one and says which run it is. */
  async launch(shape: Shape): Promise<void> {
    this.launching++
    this.open++
    try {
      const plan = await planOf(shape, (steps, variables) =>
        makePlan(this.api, steps, variables, PATIENCE_MS),
      )
      // Many may be cancelled at once by their name: it must be the one of this run alone.
      const named =
        shape.followUp === 'bulk cancel' ? { ...plan, name: `${plan.name} ${randomUUID()}` } : plan
      const request = { plan: named, target: shape.target }
      const answer = await this.api.insist<{ id: string }>('POST', '/executions', request, PATIENCE_MS)
      if (answer.status !== 201) throw new Error(`launch: ${answer.status} ${JSON.stringify(answer.body)}`)
      const run: Run = { ...newRun(answer.body.id, shape), name: named.name }
      this.runs.push(run)
      this.track(this.follow(run))
    } catch (error) {
      this.failures.push((error as Error).message)
    } finally {
      this.launching--
    }
  }

  /** An operation, insisted on; a refusal is an answer. */
  async operate(run: Run, operation: Record<string, unknown>): Promise<boolean> {
    const path = `/executions/${run.id}/operations`
    const answer = await this.api.insist<{ state?: string; code?: string; detail?: string }>(
      'POST',
      path,
      operation,
      PATIENCE_MS,
    )
    return this.note(run, operation, answer)
  }

  /** Cancels it as one of many, once their number was said. */
  async cancelAll(run: Run): Promise<void> {
    const request = { name: run.name, confirm: 1 }
    const answer = await this.api.insist<object>('POST', '/executions/cancel', request, PATIENCE_MS)
    this.note(run, request, answer)
  }

  /** Launches once more what was launched, as the platform says that it was. */
  async redo(run: Run): Promise<void> {
    const path = `/executions/${run.id}/launch`
    const again = await this.api.insist<object>('GET', path, undefined, PATIENCE_MS)
    const answer = await this.api.insist<{ id: string }>('POST', '/executions', again.body, PATIENCE_MS)
    this.note(run, { kind: 'redo' }, answer)
    if (answer.status === 201) this.runs.push(newRun(answer.body.id, run.shape))
    else this.failures.push(`redo of r-${run.id}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }

  private note(run: Run, asked: object, answer: { status: number; body: object }): boolean {
    run.done.push(
      `${new Date().toISOString()} ${JSON.stringify(asked)} ${answer.status} ${JSON.stringify(answer.body)}`,
    )
    const accepted = answer.status < 300
    if (accepted) run.operations++
    return accepted
  }

  private async follow(run: Run): Promise<void> {
    if (run.shape.followUp === 'none') return
    for (const until = Date.now() + 20_000; !this.effects.hasBegun(run.id) && Date.now() < until; )
      await pause(100)
    await pause(this.random() * 1_500)
    await steer(this, this.api, run, this.random)
  }

  private async hasRoom(): Promise<boolean> {
    if (Date.now() - this.openReadAt > 2_000) {
      this.openReadAt = Date.now()
      const open = await openRuns(this.api).catch(() => undefined)
      if (open) this.open = open.length + this.launching
    }
    return this.open < this.options.maxOpen
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => void this.failures.push((error as Error).message))
      .finally(() => this.working.delete(tracked))
    this.working.add(tracked)
  }
}

const newRun = (id: string, shape: Shape): Run => ({
  id,
  name: shape.plan.name,
  shape,
  launchedAt: Date.now(),
  done: [],
  operations: 0,
  takenUp: false,
  cancelAsked: false,
})

/** Script starts that a shape asks for at its first round. */
export function startsOf(shape: Shape): number {
  return shape.hosts * shape.steps.length
}

export interface OpenRun {
  id: string
  state: string
}

/** Every run without an end. Rejects when there is no answer. */
export async function openRuns(api: TestApi): Promise<OpenRun[]> {
  const query = 'state=pending,running,waiting,paused,cancelling&limit=1000'
  const answer = await api.call<{ items: OpenRun[] }>('GET', `/executions?${query}`)
  if (answer.status !== 200) throw new Error(`the list of executions: ${answer.status}`)
  return answer.body.items
}
