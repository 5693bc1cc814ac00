/** Operations on jobs and their plans. */
import type { Operation } from '../operation.js'
import { deleteJob } from './delete-job.js'
import { deletePlan } from './delete-plan.js'
import { getJob } from './get-job.js'
import { getPlan } from './get-plan.js'
import { listJobs } from './list-jobs.js'
import { listPlanCitations } from './list-plan-citations.js'
import { listPlans } from './list-plans.js'
import { putJob } from './put-job.js'
import { putPlan } from './put-plan.js'
import { syncPlans } from './sync-plans.js'

export const jobOperations: readonly Operation[] = [
  listJobs,
  getJob,
  putJob,
  deleteJob,
  listPlans,
  getPlan,
  putPlan,
  deletePlan,
  listPlanCitations,
  syncPlans,
]
