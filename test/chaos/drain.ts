/** Draining: after the faults every run must come to its end, and every part must serve again. */
import { type HostResultView, pause, type TestApi } from '../helpers/api'
import type { Lab } from './lab'
import { type Load, openRuns, type Run } from './load'
import { takeUp } from './steering'

/** Resolves when every run has ended, those that operators take up again included, or `hangMs` have passed. @returns runs without an end */
export async function drain(load: Load, api: TestApi, hangMs: number): Promise<Run[]> {
  const byId = new Map(load.runs.map((run) => [run.id, run]))
  for (const until = Date.now() + hangMs; ; await pause(1_000)) {
    const open = await openRuns(api).catch(() => undefined)
    const left = (open ?? load.runs).flatMap(({ id }) => byId.get(id) ?? [])
    if (open && !left.length && !(await takeUpFailed(load, api))) return []
    if (Date.now() > until) return left
    const paused = new Set(open?.filter(({ state }) => state === 'paused').map(({ id }) => id))
    // A pause that was asked for before a resume, and done after it: its operator looks again.
    for (const run of left)
      if (paused.has(run.id) && /paused?$|^edited resume$/.test(run.shape.followUp))
        await load.operate(run, { kind: 'resume' })
  }
}

/** Takes up once what was made to fail. @returns whether there was any */
async function takeUpFailed(load: Load, api: TestApi): Promise<boolean> {
  let any = false
  for (const run of load.runs) any = (await takeUp(load, api, run)) || any
  return any
}

/** Waits until every host has a session. @returns names of those without one, or in quarantine, after `forMs` */
export async function hostsAway(api: TestApi, forMs: number): Promise<string[]> {
  for (const until = Date.now() + forMs; ; await pause(500)) {
    const answer = await api
      .call<{ items: { name: string; connected: boolean; state: string }[] }>('GET', '/hosts?limit=1000')
      .catch(() => undefined)
    const away = answer?.body.items?.filter((host) => !host.connected || host.state !== 'active')
    if (away && !away.length) return []
    if (Date.now() > until) return away?.map((host) => `${host.name} (${host.state})`) ?? ['no answer']
  }
}

/** Children that the supervisor has given up. */
export function partsDown(lab: Lab): string[] {
  return lab.platform.names().filter((name) => lab.platform.child(name).state === 'failed')
}

/** Results of every step, by position. */
export async function resultsOf(api: TestApi, id: string, steps: number): Promise<HostResultView[][]> {
  const all: HostResultView[][] = []
  for (let position = 0; position < steps; position++) all.push(await api.hosts(id, position))
  return all
}
