/** GET /jobs. */
import { z } from 'zod'
import { listJobs as readJobs } from '../../store/postgres/jobs.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { jobSummarySchema, jobView } from './schema.js'

export const listJobs = operation({
  name: 'list-jobs',
  method: 'get',
  path: '/jobs',
  policy: 'job.read',
  summary: 'List jobs',
  query: pageQuery.extend({
    name: z.string().max(63).optional().describe('Part of the name.'),
    tag: z.string().max(40).optional(),
  }),
  response: pageOf(jobSummarySchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const after = decodeCursor('job', query.after, isNameCursor) ?? ''
    const rows = await readJobs(services.pool, scope.id, query, { after, limit: query.limit + 1 })
    return toPage(rows, query.limit, jobView, (job) => encodeCursor('job', job.name))
  },
})
