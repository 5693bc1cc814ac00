/** A fleet of simulated hosts in one process: joined where they have not, connected, and counted. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { delay } from '../../base/backoff.js'
import { makeFolder } from '../files.js'
import { lockState } from '../state-folder.js'
import { findCa, joinAll, type TokenDesk } from './bulk-join.js'
import { Dialing } from './dialing.js'
import { type Group, hostNames, labelsOf } from './groups.js'
import { SimulatedHost } from './host.js'
import { Identities } from './identities.js'
import { Records } from './records.js'

export interface SimulatorOptions {
  groups: Group[]
  /** `host:port`, tried in turn. */
  gateways: string[]
  /** Folder of identities and logs, by platform; one program at a time. */
  state: string
  seed: number
  /** How many hosts begin to connect in a second. */
  rampPerSecond: number
  desk: TokenDesk
  /** Gives the start up; a simulator that has started is ended by `stop`. */
  signal: AbortSignal
}

export interface Counts {
  hosts: number
  /** Hosts that have an identity. */
  joined: number
  /** Sessions that are up now. */
  sessions: number
  /** Scripts that are being played now. */
  running: number
  /** Starts in the start log, those of earlier lives of the program included. */
  starts: number
  /** Ids that have an end: played, refused, or cancelled before their start. */
  done: number
  /** Starts of an id that had started before; anything but 0 is a fault of the simulator. */
  twice: number
}

export interface Simulator {
  /** Absolute; a line is `<time> <host> <dispatch id> <execution> <step execution> <attempt> …`. */
  startLog: string
  counts(): Counts
  /** Ends all sessions; scripts that are being played end as `interrupted` at the next start. */
  stop(): Promise<void>
}

/** What is made bit by bit, so that a start that is given up leaves nothing open. */
interface Parts {
  options: SimulatorOptions
  identities: Identities
  records: Records
  unlock: () => Promise<void>
  hosts: SimulatedHost[]
  joined: number
}

/**
 * Resolves when every host has an identity and has begun to connect.
 * @param onCounts called with the way to count as soon as there is one, while hosts still join
 * Rejects when the folder is in use, or a join is refused for good.
 */
export async function startSimulator(
  options: SimulatorOptions,
  onCounts: (simulator: Simulator) => void = () => undefined,
): Promise<Simulator> {
  const folder = join(options.state, (await findCa(options.gateways, options.signal)).slice(0, 16))
  await makeFolder(folder)
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const unlock = await lockState(folder, bootId)
  const parts: Parts = {
    options,
    identities: Identities.open(folder),
    records: Records.open(folder),
    unlock,
    hosts: [],
    joined: 0,
  }
  const simulator: Simulator = {
    startLog: parts.records.startLogPath,
    counts: () => count(parts),
    stop: () => stop(parts),
  }
  onCounts(simulator)
  try {
    await joinMissing(parts)
    await connectAll(parts)
    return simulator
  } catch (error) {
    await simulator.stop()
    throw error
  }
}

async function joinMissing(parts: Parts): Promise<void> {
  const { options, identities } = parts
  const wanted = options.groups.flatMap((group) =>
    hostNames(group).map((name) => ({ name, labels: labelsOf(group) })),
  )
  const missing = wanted.filter(({ name }) => !identities.find(name))
  parts.joined = wanted.length - missing.length
  if (!missing.length) return
  await joinAll({
    hosts: missing,
    gateways: options.gateways,
    desk: options.desk,
    identities,
    signal: options.signal,
    onJoined: () => {
      parts.joined += 1
    },
  })
}

// Ten times a second a part of them, so that a fleet of thousands does not begin in one moment.
async function connectAll(parts: Parts): Promise<void> {
  const { options, identities, records, hosts } = parts
  const { trust, generation } = identities
  if (!trust) throw new Error('no host has joined')
  const { gateways, seed, rampPerSecond, signal } = options
  const world = {
    gateways,
    seed,
    records,
    trust,
    generation,
    dialing: new Dialing(),
    save: (identity: Parameters<Identities['save']>[0]) => identities.save(identity),
  }
  const step = Math.max(1, Math.round(rampPerSecond / 10))
  for (const group of options.groups) {
    for (const name of hostNames(group)) {
      const identity = identities.get(name)
      if (!identity) throw new Error(`${name} has no identity`)
      const host = new SimulatedHost(identity, group, world)
      hosts.push(host)
      host.start()
      if (hosts.length % step === 0) await delay(100, signal)
    }
  }
}

function count({ options, hosts, records, joined }: Parts): Counts {
  return {
    hosts: options.groups.reduce((sum, group) => sum + group.count, 0),
    joined,
    sessions: hosts.filter((host) => host.isUp).length,
    running: hosts.reduce((sum, host) => sum + host.tasks.runningCount, 0),
    starts: records.starts,
    done: records.ended,
    twice: records.twice,
  }
}

async function stop({ hosts, identities, records, unlock }: Parts): Promise<void> {
  await Promise.all(hosts.map((host) => host.stop()))
  records.close()
  identities.close()
  await unlock()
}
