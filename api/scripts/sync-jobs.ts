/** POST /scripts/{script}/sync: lets jobs that name another version of a script name this one. */
import { z } from 'zod'
import { renewUses } from '../../domain/job.js'
import { listCitations } from '../../store/postgres/job-plans.js'
import { updateJob } from '../../store/postgres/jobs.js'
import { nameField } from '../fields.js'
import { checkSteps, mustLockJob, stepErrors } from '../jobs/find-job.js'
import { operation } from '../operation.js'
import { keyOf, mustFindVersion } from './find-script.js'
import { scriptParams } from './schema.js'

const MOST_JOBS = 200
const ALL_CITATIONS = 100_000

export const syncJobs = operation({
  name: 'sync-script',
  method: 'post',
  path: '/scripts/{script}/sync',
  policy: 'job.write',
  summary: 'Let jobs use another version of a script',
  description:
    'Changes the jobs; their plans keep what they have until they are synced with them. Steps that name no version are left alone.',
  params: scriptParams,
  body: z.strictObject({
    to: z.int().min(1).max(999_999),
    jobs: z
      .array(nameField)
      .min(1)
      .max(MOST_JOBS)
      .optional()
      .describe('All that name another version if left out.'),
  }),
  response: z
    .object({ jobs: z.array(z.object({ job: z.string(), steps: z.array(z.string()) })) })
    .meta({ id: 'SyncedJobs' }),
  errors: ['job_unknown', ...stepErrors],
  audit: ({ params, body }) => ({
    resource: `script/${params.script}`,
    detail: { to: body.to, jobs: body.jobs ?? null },
  }),
  async write({ scope, caller, params, body }, tx) {
    const { name: script } = keyOf(scope, params)
    await mustFindVersion(tx, keyOf(scope, params), body.to)
    const cited = await listCitations(tx, { scopeId: scope.id, script }, ALL_CITATIONS)
    const names = new Set(body.jobs ?? cited.map(({ job }) => job))
    const synced = []
    // In the order of their names: two syncs wait for each other in one direction only.
    for (const name of [...names].sort()) {
      const key = { scopeId: scope.id, job: name }
      const job = await mustLockJob(tx, key)
      const { steps, changed } = renewUses(job.steps, script, body.to)
      if (!changed.length) continue
      const sha256 = await checkSteps(tx, scope.id, name, steps)
      await updateJob(tx, key, { ...job, steps, sha256, by: caller.principalId })
      synced.push({ job: name, steps: changed })
    }
    return { jobs: synced }
  },
})
