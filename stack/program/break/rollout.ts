/** The rollout that is broken on purpose: its launch, and looks at what the platform says of it while parts of it are dead. */
import { delay } from '../../../base/backoff.js'
import type { Drover, Launch } from '../../../sdk/index.js'
import { ended, type LedgerRow } from './receipt.js'

/** Hosts at a time: a thousand take some twenty slices, time enough to break something. */
const SLICE = 50

export interface Look {
  rows: LedgerRow[]
  done: number
  running: number
  /** Under way on hosts that nobody hears from at the moment. */
  asking: number
  over: boolean
}

/** @param startsFile where real hosts write their starts; simulated ones keep a log of their own */
export function rolloutLaunch(startsFile: string, hosts: number): Launch {
  return {
    target: '*',
    confirm: hosts,
    plan: {
      name: 'demo: a rollout that is broken on purpose',
      steps: [
        {
          name: 'roll out',
          script: 'printf "%s\\n" "$DROVER_HOST" >> "$STARTS"\nsleep 1\necho done',
          environment: { STARTS: startsFile },
          concurrency: SLICE,
        },
      ],
    },
  }
}

/** Throws while the API cannot answer. */
export async function lookAt(drover: Drover, id: string): Promise<Look> {
  const { state } = await drover.execution(id)
  const connected = new Set<string>()
  for await (const host of drover.hosts()) if (host.connected) connected.add(host.name)
  const look: Look = {
    rows: [],
    done: 0,
    running: 0,
    asking: 0,
    over: ['succeeded', 'failed', 'cancelled'].includes(state),
  }
  for await (const row of drover.executionHosts(id, 0)) {
    look.rows.push(row)
    if (ended.has(row.state) || row.state === 'unknown') look.done++
    else if (row.state === 'dispatched' || row.state === 'running')
      look[connected.has(row.hostName) ? 'running' : 'asking']++
  }
  return look
}

/** As `lookAt`, again and again until the API answers, a minute at most. */
export async function insistOn(drover: Drover, id: string): Promise<Look> {
  for (const until = Date.now() + 60_000; ; await delay(500)) {
    try {
      return await lookAt(drover, id)
    } catch (error) {
      if (Date.now() > until) throw error
    }
  }
}
