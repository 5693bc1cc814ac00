/** GET …/search/counts: how many lines match on each host. */
import { z } from 'zod'
import { executionParams } from '../executions/schema.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { encodePlace, type SearchPlace } from './cursor.js'
import { hasEnded } from './scan-host.js'
import { searchedSchema, searchQuery } from './schema.js'
import { searchRun } from './search-run.js'

const countSchema = z
  .object({
    step: z.int().describe('Position of the step, from 0.'),
    hostId: idField,
    hostName: z.string(),
    lines: z.int().describe('Lines that match, in both streams.'),
  })
  .meta({ id: 'SearchCount' })

export const countMatches = operation({
  name: 'count-matches',
  method: 'get',
  path: '/executions/{executionId}/search/counts',
  policy: 'output.read',
  summary: "Count the lines of a run's output that match, by host",
  description:
    'Hosts without a match are left out. A page ends after a second of search: go on until `next` is null.',
  params: executionParams,
  query: searchQuery,
  response: z
    .object({ items: z.array(countSchema), next: z.string().nullable(), searched: searchedSchema })
    .meta({ id: 'SearchCounts' }),
  errors: ['execution_unknown', 'pattern_invalid', 'cursor_invalid'],
  async handler(call) {
    const items: z.input<typeof countSchema>[] = []
    const searched = { hosts: 0, bytes: 0, open: 0 }
    let next: SearchPlace | undefined
    for await (const scanned of searchRun(call, 0)) {
      const { host, lines, left, bytes } = scanned
      searched.bytes += bytes
      if (!left) {
        searched.hosts++
        if (!hasEnded(scanned)) searched.open++
        if (lines)
          items.push({ step: host.stepPosition, hostId: host.hostId, hostName: host.hostName, lines })
      }
      next = scanned.goOn
      if (next) break
    }
    return { items, next: next ? encodePlace(next) : null, searched }
  },
})
