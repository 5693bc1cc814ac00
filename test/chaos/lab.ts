/** The lab: a whole platform whose wires run through relays, whose hosts have boot ids of their own, and one of which has a small disk. */
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { startTestPlatform } from '../helpers/platform'
import { Relay } from './relay'

const HOSTS = 8
const GATEWAYS = 2
const HOST_NAMES = ['a', 'b'].flatMap((rack) => [1, 2, 3, 4].map((n) => `rack-${rack}-${n}`))
// Agents to gateways, and api, worker and gateways to three stores; with some to spare.
const RELAYS = HOSTS * GATEWAYS + (GATEWAYS + 2) * 3 + 4
// A task leaves 24 KiB for three days, and a run of 500 kills gives this host over two thousand.
const SMALL_DISK_MIB = 256

type Env = Record<string, string | undefined>

/** The state root of one agent on a tmpfs, which the driver fills. */
export class SmallDisk {
  readonly host: string
  readonly folder: string

  private constructor(host: string, folder: string) {
    this.host = host
    this.folder = folder
  }

  /** Undefined where mounting is not allowed. */
  static mount(host: string): SmallDisk | undefined {
    unmountLeftovers()
    const folder = mkdtempSync(path.join(tmpdir(), 'drover-chaos-disk-'))
    try {
      const source = `drover-chaos-${process.pid}`
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_MIB}m`, source, folder], {
        stdio: 'pipe',
      })
      return new SmallDisk(host, folder)
    } catch {
      rmdirSync(folder)
      return undefined
    }
  }

  /** Takes all room that is left. @returns gives it back */
  fill(): () => void {
    const file = path.join(this.folder, 'filler')
    const piece = Buffer.alloc(64 * 1024)
    const handle = openSync(file, 'a')
    try {
      for (let size = piece.length; size > 0; ) {
        try {
          if (writeSync(handle, piece, 0, size) < size) size = size >> 1
        } catch {
          size = size >> 1
        }
      }
    } finally {
      closeSync(handle)
    }
    return () => rmSync(file, { force: true })
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.folder], { stdio: 'pipe' })
    rmdirSync(this.folder)
  }
}

/** Of drivers that were killed. */
function unmountLeftovers(): void {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [source = '', folder = ''] = line.split(' ')
    const owner = /^drover-chaos-(\d+)$/.exec(source)?.[1]
    if (!owner || isAlive(Number(owner))) continue
    execFileSync('umount', ['-l', folder], { stdio: 'pipe' })
    rmdirSync(folder)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export interface Lab {
  platform: Platform
  /** Value of DROVER_STACK. */
  marker: string
  hostNames: string[]
  relays: Relay[]
  smallDisk: SmallDisk | undefined
  /** State root of a host's agent. */
  stateOf(host: string): string
  /** Boots a host anew, as far as its agent can see. */
  changeBootId(host: string): void
  /** Host names by id. */
  hostIds: Map<string, string>
  close(): Promise<void>
}

interface Wiring {
  relays: Relay[]
  adjust(child: string, env: Env): Env
}

async function layWires(folder: string, smallDisk: SmallDisk | undefined): Promise<Wiring> {
  const free = await Promise.all(Array.from({ length: RELAYS }, () => Relay.listen()))
  const relays: Relay[] = []
  const through = (from: string, to: string, toPort: number): number => {
    const known = relays.find((relay) => relay.from === from && relay.to === to)
    if (known) return known.port
    const make = free.pop()
    if (!make) throw new Error('more wires than relays')
    const relay = make({ from, to, toPort })
    relays.push(relay)
    return relay.port
  }
  const stores = {
    DROVER_POSTGRES_URL: 'postgres',
    DROVER_MONGO_URL: 'mongo',
    DROVER_TEMPORAL_ADDRESS: 'temporal',
  }
  const reroute = (from: string, to: string, address: string) =>
    address.replace(/127\.0\.0\.1:(\d+)/, (_, port: string) => `127.0.0.1:${through(from, to, Number(port))}`)
  const adjust = (child: string, env: Env): Env => {
    const adjusted = { ...env }
    for (const [key, store] of Object.entries(stores)) {
      const address = env[key]
      if (address) adjusted[key] = reroute(child, store, address)
    }
    const gateways = env['DROVER_AGENT_GATEWAYS']
    if (!gateways) return adjusted
    adjusted['DROVER_AGENT_GATEWAYS'] = gateways
      .split(',')
      .map((address, index) => reroute(child, `gateway-${index + 1}`, address))
      .join(',')
    adjusted['DROVER_AGENT_BOOT_ID_FILE'] = path.join(folder, child)
    if (smallDisk?.host === child) adjusted['DROVER_AGENT_STATE'] = smallDisk.folder
    return adjusted
  }
  return { relays, adjust }
}

/** Starts it all; every agent is connected then. @param log deaths and restarts of children */
export async function startLab(log: (line: string) => void): Promise<Lab> {
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-chaos-boot-'))
  const changeBootId = (host: string) => writeFileSync(path.join(folder, host), `${randomUUID()}\n`)
  for (const host of HOST_NAMES) changeBootId(host)
  const smallDisk = SmallDisk.mount(HOST_NAMES[0] ?? '')
  const wiring = await layWires(folder, smallDisk)
  const clean = () => {
    for (const relay of wiring.relays) relay.close()
    smallDisk?.unmount()
    rmSync(folder, { recursive: true, force: true })
  }
  let marker = ''
  try {
    const platform = await startTestPlatform({
      agents: HOSTS,
      gateways: GATEWAYS,
      log,
      adjustEnv: (child, env) => {
        marker ||= env['DROVER_AGENT_MARKER'] ?? ''
        return wiring.adjust(child, env)
      },
    })
    return {
      platform,
      marker,
      hostNames: platform.hosts.map((host) => host.name),
      relays: wiring.relays,
      smallDisk,
      stateOf: (host) => (smallDisk?.host === host ? smallDisk.folder : platform.agentState(host)),
      changeBootId,
      hostIds: new Map(),
      close: () => platform.close().finally(clean),
    }
  } catch (error) {
    clean()
    throw error
  }
}
