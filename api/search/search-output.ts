/** GET …/search: the lines that match, in everything that a run's hosts wrote. */
import { z } from 'zod'
import { executionParams } from '../executions/schema.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { LIMIT_MAX, queryInteger } from '../paging.js'
import { afterHost, beginOf, encodePlace, type SearchPlace, streams } from './cursor.js'
import { type Found, hasEnded, type ScannedHost } from './scan-host.js'
import { searchedSchema, searchQuery } from './schema.js'
import { type SearchedHost, searchRun } from './search-run.js'

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
      if (!scanned.left && taken.length === scanned.found.length) {
        searched.hosts++
        if (!hasEnded(scanned)) searched.open++
      }
      next = goOnFrom(scanned, taken, items.length === limit)
      if (next) break
    }
    return { items, next: next ? encodePlace(next) : null, searched }
  },
})

/** Behind the last hit that was taken where others were left, else where the search stopped; undefined where it goes on. */
function goOnFrom(
  { host, found, goOn }: SearchedHost,
  taken: readonly Found[],
  isFull: boolean,
): SearchPlace | undefined {
  const last = taken.at(-1)
  if (last && taken.length < found.length) return { ...beginOf(host), stream: last.stream, ...last.next }
  return goOn ?? (isFull ? afterHost(host) : undefined)
}

function hitView({ host }: ScannedHost, found: Found): z.input<typeof hitSchema> {
  const { hostId, hostName, attempt, stepPosition: step } = host
  const { line, offset, before, match, after } = found
  const stream = streams[found.stream] ?? 'stdout'
  return { step, hostId, hostName, attempt, stream, line, offset, before, match, after }
}
