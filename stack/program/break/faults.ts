/** Kill -9 of one part of a running stack, by a key or by a seeded choice; the supervisor starts it again. */
import type { Platform } from '../../platform/platform.js'

/** What each key kills, as the receipt names it, and the names of the children it may hit. */
const parts: Record<string, { name: string; children: (platform: Platform) => string[] }> = {
  g: { name: 'gateway', children: (platform) => roleNames(platform, 'gateway-') },
  w: { name: 'worker', children: (platform) => roleNames(platform, 'worker-') },
  a: { name: 'agent', children: (platform) => platform.hosts.map((host) => host.name) },
  t: { name: 'Temporal', children: () => ['temporal'] },
  p: { name: 'Postgres', children: () => ['postgres'] },
}

export const keys = Object.keys(parts)

// The supervisor keeps down what dies five times within a minute, as it should; nobody wants that in a demonstration.
const MOST_IN_A_WINDOW = 3
const WINDOW_MS = 65_000

const roleNames = (platform: Platform, prefix: string) =>
  platform.names().filter((name) => name.startsWith(prefix))

export class Faults {
  /** How often each part was killed, in the order of the first time. */
  readonly killed = new Map<string, number>()
  private readonly log: { child: string; at: number }[] = []
  private readonly platform: Platform
  private readonly random: () => number

  constructor(platform: Platform, random: () => number) {
    this.platform = platform
    this.random = random
  }

  /** @returns what to say of it; undefined for a key that kills nothing */
  kill(key: string): string | undefined {
    const part = parts[key]
    if (!part) return undefined
    const able = part.children(this.platform).filter((child) => this.isAble(child))
    const child = able[Math.floor(this.random() * able.length)]
    if (!child) return `${part.name} is coming back, or was killed often enough for a minute`
    if (!this.platform.child(child).kill('SIGKILL')) return `${child} was ending by itself`
    this.log.push({ child, at: Date.now() })
    this.killed.set(part.name, (this.killed.get(part.name) ?? 0) + 1)
    return `kill -9 ${child}`
  }

  /** A seeded choice among the parts. */
  killAny(): string | undefined {
    return this.kill(keys[Math.floor(this.random() * keys.length)] ?? '')
  }

  private isAble(child: string): boolean {
    const recent = this.log.filter((kill) => kill.child === child && Date.now() - kill.at < WINDOW_MS)
    return this.platform.child(child).state === 'running' && recent.length < MOST_IN_A_WINDOW
  }
}
