/** POST /scripts/{script}/sync: lets jobs that name another version of a script name this one. */
import { z } from 'zod'
import { renewUses } from '../../domain/job.js'
import { listCitingJobs } from '../../store/postgres/job-plans.js'
import { lockJob, updateJob } from '../../store/postgres/jobs.js'
import { holdScripts } from '../../store/postgres/script-uses.js'
import { mustUse } from '../executions/find-used.js'
import { nameField } from '../fields.js'
import { hashDefinition, mustLockJob } from '../jobs/find-job.js'
import { operation } from '../operation.js'
import type { Library } from './library.js'
import { scriptParams } from './schema.js'

const MOST_JOBS = 200

const response = z
  .object({
    jobs: z.array(z.object({ job: z.string(), steps: z.array(z.string()) })),
    more: z.boolean().describe('Whether there are others: ask again.'),
  })
  .meta({ id: 'SyncedJobs' })

export const syncJobs = (library: Library) =>
  operation({
    name: library.called('sync-script'),
    method: 'post',
    path: `${library.path}/{script}/sync`,
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
        .describe('All that name another version if left out, 200 at once.'),
    }),
    response,
    errors: ['job_unknown', 'script_unknown', 'script_version_unknown', 'script_version_refused'],
    audit: ({ params, body }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: { to: body.to, jobs: body.jobs ?? null },
    }),
    async write({ scope, caller, params, body }, tx) {
      const script = library.used(params.script)
      const use = { name: script, version: body.to }
      await mustUse(tx, scope.id, use)
      const all = body.jobs ?? (await listCitingJobs(tx, { scopeId: scope.id, script }))
      const synced = []
      let more = false
      // In the order of their names: two syncs wait for each other in one direction only.
      for (const name of [...new Set(all)].sort()) {
        const key = { scopeId: scope.id, job: name }
        const job = body.jobs ? await mustLockJob(tx, key) : await lockJob(tx, key)
        if (!job) continue
        const { steps, changed } = renewUses(job.steps, script, body.to)
        if (!changed.length) continue
        more = synced.length === MOST_JOBS
        if (more) break
        await updateJob(tx, key, {
          ...job,
          steps,
          sha256: hashDefinition({ ...job, steps }),
          by: caller.principalId,
        })
        synced.push({ job: name, steps: changed })
      }
      // Last, as launches do: what it names cannot be removed or disabled before all of it is written.
      await holdScripts(tx, scope.id, [script])
      await mustUse(tx, scope.id, use)
      return { jobs: synced, more }
    },
  })
