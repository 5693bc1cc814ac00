/** Searches the output of a run, host after host in the order of its steps and of their targets, for as long as a caller waits. */
import type { z } from 'zod'
import { inOrder } from '../../base/in-order.js'
import { PlatformError } from '../../domain/errors.js'
import type { ExecutionId, ScopeId } from '../../domain/id.js'
import { type FollowedHost, listFollowedHosts } from '../../store/postgres/follow.js'
import type { Db } from '../../store/postgres/pool.js'
import { mustFindExecution } from '../executions/find-execution.js'
import type { ScopedCall } from '../operation.js'
import { afterHost, beginOf, decodePlace, type SearchPlace } from './cursor.js'
import { compilePattern } from './pattern.js'
import { type ScannedHost, scanHost } from './scan-host.js'
import type { searchQuery } from './schema.js'

/** A page answers after this long, with what it has and where to go on. */
const PAGE_MS = 1_000
/** Hosts whose output is asked for side by side: most answer with little, and late. */
const HOSTS_AT_ONCE = 6
const HOSTS_READ = 2_000
/** Each reads some MiB ahead. */
const SEARCHES_MAX = 8

let searches = 0

type SearchCall = Pick<ScopedCall, 'services' | 'scope' | 'ended'> & {
  params: { executionId: string }
  query: z.output<typeof searchQuery>
}

/** `goOn`: the page ends here, and the next one begins there. */
export type SearchedHost = ScannedHost & { goOn: SearchPlace | undefined }

/**
 * Gives every host at most once; the first may be the one that the cursor is within.
 * @param keep how many matches are wanted; 0 only counts them
 * @throws PlatformError pattern_invalid, cursor_invalid, execution_unknown, unavailable
 */
export async function* searchRun(call: SearchCall, keep: number): AsyncGenerator<SearchedHost> {
  if (searches >= SEARCHES_MAX)
    throw new PlatformError(
      'unavailable',
      `${SEARCHES_MAX} searches are under way here: ask again in a second`,
    )
  searches++
  try {
    yield* search(call, keep)
  } finally {
    searches--
  }
}

async function* search(
  { services, scope, params, query, ended }: SearchCall,
  keep: number,
): AsyncGenerator<SearchedHost> {
  const pattern = compilePattern({ text: query.q, regex: query.regex, ignoreCase: query.ignoreCase })
  const from = decodePlace(query.after)
  const run = await mustFindExecution(services.pool, scope.id, params.executionId)
  const until = Date.now() + PAGE_MS
  let left = false
  const over = () => left || ended.aborted || Date.now() > until
  const scan = { log: services.output, day: run.outputDay, pattern, keep, over }
  const which = { step: query.step, hostIds: query.host === undefined ? undefined : [query.host] }
  const hosts = hostsFrom(services.pool, { scopeId: scope.id, executionId: run.id }, which, from)
  try {
    for await (const scanned of inOrder(hosts, HOSTS_AT_ONCE, (host) =>
      scanHost(host, isWithin(from, host) ? from : beginOf(host), scan),
    ))
      yield { ...scanned, goOn: scanned.left ?? (over() ? afterHost(scanned.host) : undefined) }
  } finally {
    left = true
  }
}

/** A host that was retried meanwhile begins anew. */
function isWithin(from: SearchPlace, host: FollowedHost): boolean {
  return from.step === host.stepPosition && from.host === host.position && from.attempt === host.attempt
}

async function* hostsFrom(
  db: Db,
  run: { scopeId: ScopeId; executionId: ExecutionId },
  which: { step: number | undefined; hostIds: readonly string[] | undefined },
  place: SearchPlace,
): AsyncGenerator<FollowedHost> {
  let from = { step: place.step, host: place.host }
  for (;;) {
    const rows = await listFollowedHosts(db, run, { ...which, limit: HOSTS_READ, from })
    yield* rows.slice(0, HOSTS_READ)
    const next = rows[HOSTS_READ]
    if (!next) return
    from = { step: next.stepPosition, host: next.position }
  }
}
