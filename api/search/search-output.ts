/** GET …/search: the lines that match, in everything that a run's hosts wrote. */
import { z } from 'zod'
import { executionParams } from '../executions/schema.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { LIMIT_MAX, queryInteger } from '../paging.js'
import { beginOf, encodePlace, type SearchPlace, streams } from './cursor.js'
import { excerptOf } from './excerpt.js'
import { type Found, hasEnded, type ScannedHost } from './scan-host.js'
import { searchedSchema, searchQuery } from './schema.js'
import { searchRun } from './search-run.js'

const hitSchema = z
  .object({
    step: z.int().describe('Position of the step, from 0.'),
    hostId: idField,
    hostName: z.string(),
    attempt: z.int(),
    stream: z.enum(streams),
    line: z.int().describe('From 1.'),
    offset: z.number().describe('Of the first byte of the match, in the stream.'),
    before: z.string().describe('What stands before it in its line; cut if it is long.'),
    match: z.string(),
    after: z.string(),
  })
  .meta({ id: 'SearchHit' })

export const searchOutput = operation({
  name: 'search-output',
  method: 'get',
  path: '/executions/{executionId}/search',
  policy: 'output.read',
  summary: "Search a run's output",
  description:
    'Each line that matches is one hit, with its first match. A page ends at `limit` hits or after a second of search, also without a hit: go on until `next` is null. Hits come in the order of steps, hosts, standard output before standard error, lines.',
  params: executionParams,
  query: searchQuery.extend({
    limit: queryInteger(1, LIMIT_MAX).default(100).describe('Most hits of one page.'),
  }),
  response: z
    .object({ items: z.array(hitSchema), next: z.string().nullable(), searched: searchedSchema })
    .meta({ id: 'SearchHits' }),
  errors: ['execution_unknown', 'pattern_invalid', 'cursor_invalid'],
  async handler(call) {
    const { limit } = call.query
    const items: z.input<typeof hitSchema>[] = []
    const searched = { hosts: 0, bytes: 0, open: 0 }
    let next: SearchPlace | undefined
    for await (const scanned of searchRun(call, limit)) {
      searched.bytes += scanned.bytes
      const taken = scanned.found.slice(0, limit - items.length)
      items.push(...taken.map((found) => hitView(scanned, found)))
      next = goOnFrom(scanned, taken)
      if (next) break
      searched.hosts++
      if (!hasEnded(scanned)) searched.open++
    }
    return { items, next: next ? encodePlace(next) : null, searched }
  },
})

/** Behind the last hit that was taken where others were left, else where the search stopped. */
function goOnFrom(
  { host, found, left, lines }: ScannedHost,
  taken: readonly Found[],
): SearchPlace | undefined {
  const begin = beginOf(host)
  const last = taken.at(-1)
  if (taken.length === found.length) return left && { ...begin, ...left, lines }
  // Where the page was full before this host, it is searched anew.
  return last ? { ...begin, stream: last.stream, ...last.next, lines } : begin
}

function hitView({ host }: ScannedHost, found: Found): z.input<typeof hitSchema> {
  const { hostId, hostName, attempt, stepPosition } = host
  const stream = streams[found.stream] ?? 'stdout'
  return {
    step: stepPosition,
    hostId,
    hostName,
    attempt,
    stream,
    line: found.line,
    offset: found.offset,
    ...excerptOf(found),
  }
}
