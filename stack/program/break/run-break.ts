/** `npm run demo -- --break`: a rollout on real and simulated hosts while its parts are killed, and the receipt of it. */
import { join } from 'node:path'
import { delay } from '../../../base/backoff.js'
import { seeded } from '../../../base/seeded.js'
import { createDrover } from '../../../sdk/index.js'
import type { Platform } from '../../platform/platform.js'
import { say, tone } from '../console.js'
import { Faults, keys } from './faults.js'
import { listenForKeys } from './key-presses.js'
import { judge, receiptLine } from './receipt.js'
import { insistOn, type Look, lookAt, rolloutLaunch } from './rollout.js'
import { Starts } from './starts.js'
import { StatusLine } from './status-line.js'

export interface BreakOptions {
  platform: Platform
  /** Real and simulated together; all are connected. */
  hosts: readonly { id: string; name: string }[]
  /** Where the simulator writes its starts (agent/simulate/records.ts). */
  simulatedStarts: string
  seed: number
  signal: AbortSignal
}

const LOOK_MS = 700
const FILES_MS = 100
/** Between two seeded kills: long enough for the stack to come back, short enough that they overlap with its work. */
const [KILL_MIN_MS, KILL_MAX_MS] = [2_500, 6_000]

/** @returns whether files and ledger agree that every target ran once. Throws when it is interrupted. */
export async function runBreak(options: BreakOptions): Promise<boolean> {
  const { platform, hosts, seed, signal } = options
  const random = seeded(seed)
  const faults = new Faults(platform, random)
  const startsFile = join(platform.data, 'starts')
  const starts = startsOf(options, startsFile)
  const drover = createDrover({ url: platform.url, token: platform.token, retries: 0 })
  const { id } = await drover.launch(rolloutLaunch(startsFile, hosts.length))
  say(`Run r-${id} on ${hosts.length.toLocaleString('en-US')} hosts, 50 at a time.`)
  const line = new StatusLine()
  const hit = (told: string | undefined) => told !== undefined && line.say(told)
  const release = listenForKeys((key) => hit(faults.kill(key)))
  say(
    release
      ? `Break it: ${tone('strong', keys.join(' '))} kill -9 gateway, worker, an agent, Temporal, Postgres.`
      : `No terminal: parts are killed at moments that seed ${seed} decides.`,
  )
  const reader = setInterval(() => starts.look(Date.now()), FILES_MS)
  const killer = release ? undefined : killSeeded({ faults, random, hit, signal })
  try {
    await follow(async () => lookAt(drover, id), { starts, line, signal })
  } finally {
    clearInterval(reader)
    killer?.stop()
    release?.()
    line.end()
  }
  return conclude(await insistOn(drover, id), { starts, faults, seed })
}

function startsOf({ hosts, simulatedStarts }: BreakOptions, startsFile: string): Starts {
  const names = new Map(hosts.map((host) => [host.id, host.name]))
  return new Starts([
    { path: startsFile, hostOf: (text) => names.get(text) },
    // `time host dispatch execution step attempt …`
    { path: simulatedStarts, hostOf: (text) => text.split(' ')[1] },
  ])
}

/** Shows the line until the run is over. */
async function follow(
  look: () => Promise<Look>,
  { starts, line, signal }: { starts: Starts; line: StatusLine; signal: AbortSignal },
): Promise<void> {
  let last: Look | undefined
  for (;;) {
    signal.throwIfAborted()
    const now = await look().catch(() => undefined)
    last = now ?? last
    if (last) {
      const { twice, lost } = judge(starts.byHost, last.rows, false)
      const { done, running, asking } = last
      const late = now ? '' : ' · the API waits for its database'
      const text = `done ${done} · running ${running} · asking ${asking} · twice ${twice} · lost ${lost}${late}`
      line.show(text, Date.now())
    }
    if (now?.over) return
    await delay(LOOK_MS)
  }
}

function killSeeded(context: {
  faults: Faults
  random: () => number
  hit: (told: string | undefined) => void
  signal: AbortSignal
}): { stop: () => void } {
  let timer: NodeJS.Timeout
  const plan = () => {
    timer = setTimeout(
      () => {
        if (context.signal.aborted) return
        context.hit(context.faults.killAny())
        plan()
      },
      KILL_MIN_MS + context.random() * (KILL_MAX_MS - KILL_MIN_MS),
    )
  }
  plan()
  return { stop: () => clearTimeout(timer) }
}

function conclude(
  look: Look,
  { starts, faults, seed }: { starts: Starts; faults: Faults; seed: number },
): boolean {
  starts.look(Date.now())
  const judgement = judge(starts.byHost, look.rows, true)
  const { longestGapMs } = starts
  say(tone('strong', receiptLine(judgement, { killed: faults.killed, longestGapMs, seed })))
  const { differences } = judgement
  for (const difference of differences.slice(0, 20)) say(`  ${tone('bad', difference)}`)
  if (differences.length > 20) say(`  and ${differences.length - 20} more`)
  say(
    tone(
      'quiet',
      "Counted from the hosts' own files and the simulator's start log, and held against the ledger.",
    ),
  )
  return differences.length === 0
}
