/** The driver: every few seconds one fault, chosen by the seed; faults overlap, and all are healed on demand. */
import { statOf } from '../../stack/supervise/proc'
import { pause } from '../helpers/api'
import type { FaultLog } from './fault-log'
import type { Lab } from './lab'
import { descendants, markedProcesses, signal, wrappers } from './processes'
import type { Healing } from './relay'
import { shuffle } from './shapes'

const PARTS = ['gateway-1', 'gateway-2', 'worker-1', 'api-1', 'temporal', 'postgres', 'mongo']
// Five deaths within a minute would keep a child down, as they should; some parts end by themselves after a fault.
const KILLS_A_MINUTE = 2
// How often each way of a fault comes in one deck.
const WAYS = [
  ...Array<string>(13).fill('kill'),
  ...Array<string>(3).fill('freeze'),
  ...Array<string>(3).fill('cut'),
  'disk',
]

const HEALINGS: readonly Healing[] = ['deliver', 'reset', 'lose']
const healingWords: Record<Healing, string> = {
  deliver: 'what was sent arrives late',
  reset: 'RST',
  lose: 'its old connections stay dead',
}

export interface DriverOptions {
  /** Between two faults, ms: from, to. */
  gapMs: [number, number]
  /** Longest freeze and longest cut, ms. */
  freezeMs: number
  cutMs: number
}

/** Draws from a shuffled deck, then from the next: everything comes as often as it should, in an order that the seed decides. */
class Deck<T> {
  private left: T[] = []
  private readonly make: () => T[]
  private readonly random: () => number

  constructor(make: () => T[], random: () => number) {
    this.make = make
    this.random = random
  }

  draw(): T {
    if (!this.left.length) this.left = shuffle(this.make(), this.random)
    return this.left.pop() as T
  }
}

export class FaultDriver {
  /** SIGKILLs so far; the other faults are counted beside them. */
  kills = 0
  readonly others = { freezes: 0, cuts: 0, fills: 0 }
  private readonly healing = new Map<symbol, { heal: () => void; timer: NodeJS.Timeout }>()
  private readonly frozen = new Map<string, () => void>()
  private readonly killed: { name: string; at: number }[] = []
  private readonly decks: Record<'way' | 'kill' | 'freeze' | 'cut' | 'cutWay', Deck<string>>
  private readonly lab: Lab
  private readonly log: FaultLog
  private readonly random: () => number
  private readonly options: DriverOptions

  constructor(lab: Lab, log: FaultLog, random: () => number, options: DriverOptions) {
    this.lab = lab
    this.log = log
    this.random = random
    this.options = options
    const agents = (count: number) => shuffle(lab.hostNames, random).slice(0, count)
    this.decks = {
      way: new Deck(() => WAYS, random),
      kill: new Deck(() => [...PARTS, ...agents(3), ...(random() < 0.5 ? ['wrapper'] : ['reboot'])], random),
      freeze: new Deck(() => [...PARTS, ...agents(2)], random),
      cut: new Deck(() => [...PARTS, ...agents(3)], random),
      cutWay: new Deck(() => ['reset', 'swallow', 'swallow', 'delay'], random),
    }
  }

  /** Faults until `kills` more processes were killed. */
  async run(kills: number, stopped: AbortSignal): Promise<void> {
    const until = this.kills + kills
    const [least, most] = this.options.gapMs
    while (this.kills < until && !stopped.aborted) {
      await pause(least + this.random() * (most - least))
      this.act(this.decks.way.draw())
    }
  }

  /** Ends every fault that lasts. */
  healAll(): void {
    for (const { heal, timer } of this.healing.values()) {
      clearTimeout(timer)
      heal()
    }
    this.healing.clear()
    this.log.add('all faults healed')
  }

  private act(way: string): void {
    // Drawn before anything is looked at, so that the seed alone decides what comes next.
    const length = this.random()
    const healing = HEALINGS[Math.floor(this.random() * HEALINGS.length)] ?? 'reset'
    if (way === 'kill') this.kill(this.decks.kill.draw(), length)
    else if (way === 'freeze') this.freeze(this.decks.freeze.draw(), length)
    else if (way === 'cut') this.cut(this.decks.cut.draw(), this.decks.cutWay.draw(), { length, healing })
    else this.fillDisk(length)
  }

  private kill(target: string, choice: number): void {
    if (target === 'wrapper') return this.killWrapper(choice)
    if (target === 'reboot')
      return this.reboot(this.lab.hostNames[Math.floor(choice * this.lab.hostNames.length)] ?? '')
    const { pid } = this.lab.platform.child(target)
    if (!pid || !this.bears(target) || !signal(pid, 'SIGKILL')) return this.log.add(`spared ${target}`)
    this.count(target, `SIGKILL ${target}`)
    // What a frozen server leaves behind must be able to notice that it is gone.
    this.frozen.get(target)?.()
  }

  private count(name: string, what: string): void {
    this.kills++
    this.killed.push({ name, at: Date.now() })
    this.log.add(what)
  }

  private bears(name: string): boolean {
    const recent = this.killed.filter((kill) => kill.name === name && Date.now() - kill.at < 60_000)
    return recent.length < KILLS_A_MINUTE && this.lab.platform.child(name).state === 'running'
  }

  private killWrapper(choice: number): void {
    const found = wrappers(markedProcesses(this.lab.marker))
    const one = found[Math.floor(choice * found.length)]
    if (!one?.task || !signal(one.pid, 'SIGKILL')) return this.log.add('no wrapper to kill')
    this.log.wrappersKilled.add(one.task)
    this.count('wrapper', `SIGKILL wrapper of task ${one.task} on host ${one.host}`)
  }

  /** Everything on the host dies at once, and its next boot has another id. */
  private reboot(host: string): void {
    const { pid } = this.lab.platform.child(host)
    const hostId = this.lab.hostIds.get(host)
    if (!pid || !this.bears(host) || !signal(pid, 'SIGSTOP')) return this.log.add(`spared ${host} a reboot`)
    this.lab.changeBootId(host)
    // A process may fork while it is looked for.
    for (let round = 0; round < 5; round++) {
      const tasks = markedProcesses(this.lab.marker).filter((process) => process.host === hostId)
      if (!tasks.length) break
      for (const task of tasks) signal(task.pid, 'SIGKILL')
    }
    signal(pid, 'SIGKILL')
    this.log.reboots.push({ host, at: Date.now() })
    this.count(host, `reboot of ${host}`)
    this.frozen.get(host)?.()
  }

  private freeze(name: string, length: number): void {
    const { pid } = this.lab.platform.child(name)
    if (!pid || this.frozen.has(name)) return this.log.add(`${name} is frozen or away: not frozen`)
    // PostgreSQL is one process a connection; the others are one process.
    const frozen = [pid, ...(name === 'postgres' ? descendants(pid) : [])].map((of) => ({
      of,
      birth: statOf(of)?.birth,
    }))
    for (const { of } of frozen) signal(of, 'SIGSTOP')
    const ms = 1_000 + length * (this.options.freezeMs - 1_000)
    this.others.freezes++
    this.log.add(`SIGSTOP ${name} for ${Math.round(ms)} ms`)
    const thaw = this.lasting(ms, () => {
      this.frozen.delete(name)
      for (const { of, birth } of frozen) if (statOf(of)?.birth === birth) signal(of, 'SIGCONT')
      this.log.add(`SIGCONT ${name}`)
    })
    this.frozen.set(name, thaw)
  }

  private cut(name: string, way: string, how: { length: number; healing: Healing }): void {
    const wires = this.lab.relays.filter((relay) => relay.from === name || relay.to === name)
    this.others.cuts++
    if (way === 'reset') {
      for (const wire of wires) wire.reset()
      return this.log.add(`RST on all wires of ${name}`)
    }
    const ms = 5_000 + how.length * (this.options.cutMs - 5_000)
    if (way === 'delay') {
      const ends = wires.map((wire) => wire.delay(200))
      this.log.add(`200 ms of delay on all wires of ${name} for ${Math.round(ms)} ms`)
      this.lasting(ms, () => {
        for (const end of ends) end()
        this.log.add(`no more delay for ${name}`)
      })
      return
    }
    const ends = wires.map((wire) => wire.swallow())
    this.log.add(`${name} is cut off for ${Math.round(ms)} ms, then ${healingWords[how.healing]}`)
    this.lasting(ms, () => {
      for (const end of ends) end(how.healing)
      this.log.add(`${name} is reached again`)
    })
  }

  private fillDisk(length: number): void {
    const { smallDisk } = this.lab
    if (!smallDisk) return this.log.add('no small disk: nothing filled')
    const empty = smallDisk.fill()
    const ms = 2_000 + length * 6_000
    this.others.fills++
    this.log.add(`disk of ${smallDisk.host} full for ${Math.round(ms)} ms`)
    this.lasting(ms, () => {
      empty()
      this.log.add(`disk of ${smallDisk.host} has room`)
    })
  }

  /** @returns ends it now */
  private lasting(ms: number, heal: () => void): () => void {
    const key = Symbol('fault')
    const end = () => {
      const known = this.healing.get(key)
      if (!known) return
      clearTimeout(known.timer)
      this.healing.delete(key)
      heal()
    }
    this.healing.set(key, { heal, timer: setTimeout(end, ms) })
    return end
  }
}
