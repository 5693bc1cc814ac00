/** Chaos: rounds of load and faults on a real platform, each followed by a verdict from the scripts' own files. */
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { pause, TestApi } from '../helpers/api'
import { replaySince } from '../helpers/replays'
import { seeded } from '../../base/seeded'
import { drain, hostsAway, partsDown, resultsOf } from './drain'
import { EffectFiles } from './effects'
import { keepEvidence } from './evidence'
import { FaultLog } from './fault-log'
import { type DriverOptions, FaultDriver } from './faults'
import { type Finding, Judge } from './judge'
import { type Lab, startLab } from './lab'
import { Load, type LoadOptions } from './load'
import { descendants, markedProcesses } from './processes'
import { probe, shapes } from './shapes'
import { addCounts, emptyCounts, faultsOf, PROGRESS_VERSION, type Progress, type Verdict } from './verdict'

export interface ChaosOptions extends DriverOptions, LoadOptions {
  seed: number
  kills: number
  /** Kills from one verdict to the next. */
  verdictEvery: number
  /** Longest script, seconds. */
  longest: number
  /** A run without an end this long after the last fault hangs. */
  hangMs: number
  /** Folder for what a verdict that is not clean leaves. */
  evidence: string
  /** Where an earlier part of the same run ended. */
  progress?: Progress
  signal: AbortSignal
  log: (line: string) => void
  onVerdict: (verdict: Verdict, progress: Progress) => void
}

export const defaults = {
  verdictEvery: 25,
  gapMs: [2_000, 5_000],
  freezeMs: 20_000,
  cutMs: 40_000,
  longest: 30,
  startsPerSecond: 7,
  maxOpen: 40,
  hangMs: 7 * 60_000,
} satisfies Partial<ChaosOptions>

/** Settles within this after the last run has ended, or it is an orphan. */
const ORPHAN_MS = 20_000

export async function runChaos(options: ChaosOptions): Promise<Progress> {
  let progress: Progress = options.progress ?? {
    version: PROGRESS_VERSION,
    seed: options.seed,
    rounds: 0,
    seconds: 0,
    clean: true,
    total: emptyCounts(),
  }
  let lab: Lab | undefined
  // A round that is judging or waiting for a hang is given up as well.
  const interrupted = new Promise<undefined>((resolve) =>
    options.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )
  try {
    while (progress.total.kills < options.kills && !options.signal.aborted) {
      lab ??= await openLab(options)
      const kills = Math.min(options.verdictEvery, options.kills - progress.total.kills)
      const verdict = await Promise.race([new Round(lab, options, progress.rounds).run(kills), interrupted])
      if (!verdict) break
      progress = {
        ...progress,
        rounds: progress.rounds + 1,
        seconds: progress.seconds + verdict.seconds,
        clean: progress.clean && verdict.clean,
        total: addCounts(progress.total, verdict),
      }
      options.onVerdict(verdict, progress)
      if (verdict.clean) continue
      // What a fault left broken must not spoil the next verdict.
      await lab.close()
      lab = undefined
    }
  } finally {
    await lab?.close()
  }
  return progress
}

async function openLab(options: ChaosOptions): Promise<Lab> {
  const lab = await startLab(options.log)
  if (!lab.smallDisk) options.log('no tmpfs may be mounted here (that needs root): full disks are left out')
  const { body } = await new TestApi(lab.platform).insist<{ items: { id: string; name: string }[] }>(
    'GET',
    '/hosts?limit=1000',
  )
  for (const { id, name } of body.items) lab.hostIds.set(name, id)
  return lab
}

/** A generator of its own for each use, so that the load's timing never changes the faults. */
function randomOf(seed: number, round: number, use: number): () => number {
  return seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(round + 1, 0x85ebca6b) ^ Math.imul(use, 0xc2b2ae35))
}

/** One round: load and faults together, then healing, draining and judging. */
class Round {
  private readonly effects = new EffectFiles()
  private readonly log = new FaultLog()
  private readonly beganAt = Date.now()
  private readonly counts = emptyCounts()
  private readonly findings: Finding[] = []
  private readonly api: TestApi
  private readonly load: Load
  private readonly driver: FaultDriver
  private readonly lab: Lab
  private readonly options: ChaosOptions
  private readonly number: number

  constructor(lab: Lab, options: ChaosOptions, number: number) {
    this.lab = lab
    this.options = options
    this.number = number
    const random = (use: number) => randomOf(options.seed, number, use)
    this.api = new TestApi(lab.platform)
    const context = { effects: this.effects, random: random(1), longest: options.longest }
    this.load = new Load(
      { api: this.api, effects: this.effects, shapes: shapes(context, lab.hostNames), random: random(2) },
      options,
    )
    this.driver = new FaultDriver(lab, this.log, random(3), options)
  }

  /** Undefined when it was interrupted. */
  async run(kills: number): Promise<Verdict | undefined> {
    try {
      const done = new AbortController()
      const stop = () => done.abort()
      this.options.signal.addEventListener('abort', stop, { once: true })
      const faults = this.driver.run(kills, done.signal).finally(() => {
        this.driver.healAll()
        stop()
      })
      await Promise.all([faults, this.load.run(done.signal)])
      this.options.signal.removeEventListener('abort', stop)
      if (this.options.signal.aborted) return undefined
      const hostsWithoutVerdict = await this.settle()
      return await this.close(hostsWithoutVerdict)
    } finally {
      this.driver.healAll()
      this.effects.remove()
    }
  }

  /** All runs ended, all hosts back, all judged. */
  private async settle(): Promise<string[]> {
    const { load, api, counts } = this
    const hanging = new Set(await drain(load, api, this.options.hangMs))
    for (const run of hanging)
      this.found({
        kind: 'hang',
        what: 'no end in time',
        executionId: run.id,
        shape: run.shape.name,
        at: run.launchedAt,
        detail: { view: await api.get(run.id), hosts: await resultsOf(api, run.id, run.shape.steps.length) },
      })
    for (const name of partsDown(this.lab))
      this.found({ kind: 'part', what: `${name} died too often and stays down` })
    for (const name of await hostsAway(api, 60_000))
      this.found({ kind: 'part', what: `${name} did not come back` })
    for (const failure of load.failures) this.found({ kind: 'part', what: failure })
    counts.hangs = this.findings.length
    const hostsWithoutVerdict = await this.probe()
    for (const orphan of await this.orphans()) {
      counts.orphans++
      this.found({ kind: 'orphan', what: orphan })
    }
    const judge = new Judge({ lab: this.lab, api, effects: this.effects, log: this.log })
    for (const run of load.runs) if (!hanging.has(run)) await judge.judge(run)
    Object.assign(counts, judge.tally)
    this.findings.push(...judge.findings)
    await this.replay()
    return hostsWithoutVerdict
  }

  /** A worker that takes a run over replays its history: one that does not fit holds the run up until the worker is mended. */
  private async replay(): Promise<void> {
    const address = this.lab.platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
    const connection = await Connection.connect({ address })
    try {
      const { replayed, failures } = await replaySince(new Client({ connection }), new Date(this.beganAt))
      Object.assign(this.counts, { replayed, notReplayed: failures.length })
      for (const { workflowId, what } of failures)
        this.found({ kind: 'history', workflowId, what: `${workflowId}: ${what}` })
    } finally {
      await connection.close()
    }
  }

  /** Every host runs a script again, whatever it went through. @returns names of those that do not */
  private async probe(): Promise<string[]> {
    const { load, api } = this
    await load.launch(probe(this.effects, this.lab.hostNames.length))
    const run = load.runs.find(({ shape }) => shape.name === 'probe')
    if (!run) return [...this.lab.hostNames]
    await api.ended(run.id, this.options.hangMs).catch(() => undefined)
    return (await api.hosts(run.id)).filter((host) => host.state !== 'succeeded').map((host) => host.hostName)
  }

  private found(finding: Finding): void {
    this.findings.push(finding)
  }

  /** What still runs of tasks, or of parts that are no part any more. */
  private async orphans(): Promise<string[]> {
    const { platform, marker } = this.lab
    for (const until = Date.now() + ORPHAN_MS; ; await pause(500)) {
      const known = new Set<number>()
      for (const name of platform.names()) {
        const { pid } = platform.child(name)
        if (pid) for (const of of [pid, ...descendants(pid)]) known.add(of)
      }
      const left = markedProcesses(marker).filter(
        ({ pid, task, isLeft }) => !isLeft && (task || !known.has(pid)),
      )
      if (!left.length) return []
      if (Date.now() > until)
        return left.map(
          ({ pid, task, host, words }) => `pid ${pid} task ${task} host ${host}: ${words.join(' ')}`,
        )
    }
  }

  private async close(hostsWithoutVerdict: string[]): Promise<Verdict> {
    const { counts, driver, load, findings } = this
    const { seed, evidence } = this.options
    counts.kills = driver.kills
    Object.assign(counts, driver.others)
    counts.runs = load.runs.length
    counts.operations = load.runs.reduce((sum, run) => sum + run.operations, 0)
    counts.loadSeconds = load.activeMs / 1000
    const clean = faultsOf(counts).length === 0 && !hostsWithoutVerdict.length
    const verdict: Verdict = {
      ...counts,
      seed,
      round: this.number,
      seconds: (Date.now() - this.beganAt) / 1000,
      hostsWithoutVerdict,
      findings,
      clean,
    }
    if (!clean) {
      const folder = path.join(evidence, `seed-${seed}-round-${this.number}-${Date.now()}`)
      await keepEvidence(folder, { lab: this.lab, effects: this.effects, log: this.log, load, findings })
      this.explain(folder)
    }
    return verdict
  }

  /** Prints what a person looks at first. */
  private explain(folder: string): void {
    const { log } = this.options
    log(`not clean: ${faultsOf(this.counts).join(', ')}; the evidence is in ${folder}`)
    for (const { kind, what, executionId, shape, at, detail } of this.findings.slice(0, 10)) {
      log(
        `${kind}${executionId ? ` r-${executionId} (${shape})` : ''}: ${what} ${JSON.stringify(detail ?? '').slice(0, 600)}`,
      )
      if (at) for (const line of this.log.between(at - 10_000, at + 60_000).slice(0, 30)) log(`    ${line}`)
    }
  }
}

/** Starts that the load puts on the platform a second, at least; less is said. */
export const LEAST_STARTS_PER_SECOND = 5
