/** Methods on jobs and their plans. */
import { defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import { allItems } from './paging.js'
import { ScriptCalls } from './scripts.js'
import type {
  Job,
  JobContent,
  JobSummary,
  Plan,
  PlanContent,
  PlanSummary,
  Schemas,
  WriteOptions,
} from './vocabulary.js'

export class JobCalls extends ScriptCalls {
  /** Jobs by name, without their steps' texts. */
  jobs(query: { name?: string | undefined; tag?: string | undefined } = {}): AsyncGenerator<JobSummary> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/jobs', {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after, ...query }) as object },
        }),
      ),
    )
  }

  job(job: string): Promise<Job> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/jobs/{job}', { params: { path: { scope: this.scope, job } } }),
    )
  }

  /** @throws DroverError name_taken without `revision`, edit_conflict with an older one */
  putJob(job: string, content: JobContent, options: WriteOptions = {}): Promise<JobSummary> {
    return dataOf(
      this.api.PUT('/api/v1/scopes/{scope}/jobs/{job}', {
        params: { path: { scope: this.scope, job }, header: keyOf(options) },
        body: content,
      }),
    )
  }

  deleteJob(job: string, options: WriteOptions = {}): Promise<Schemas['DeletedJob']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/jobs/{job}', {
        params: { path: { scope: this.scope, job }, header: keyOf(options) },
      }),
    )
  }

  plans(job: string): AsyncGenerator<PlanSummary> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/jobs/{job}/plans', {
          params: { path: { scope: this.scope, job }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  /** @param revision as it was then, which steps of other jobs may bring still; now if left out */
  plan(job: string, plan: string, revision?: number): Promise<Plan> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/jobs/{job}/plans/{plan}', {
        params: { path: { scope: this.scope, job, plan }, query: defined({ revision }) as object },
      }),
    )
  }

  /** Which steps bring a plan: of jobs, and of plans as they were frozen. */
  planCitations(job: string, plan: string): Promise<Schemas['PlanCitations']> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/jobs/{job}/plans/{plan}/citations', {
        params: { path: { scope: this.scope, job, plan } },
      }),
    )
  }

  /**
   * @param content jobRevision: of the job whose steps the plan is to have from now on
   * @throws DroverError name_taken without `revision`, edit_conflict with an older one
   */
  putPlan(job: string, plan: string, content: PlanContent, options: WriteOptions = {}): Promise<PlanSummary> {
    return dataOf(
      this.api.PUT('/api/v1/scopes/{scope}/jobs/{job}/plans/{plan}', {
        params: { path: { scope: this.scope, job, plan }, header: keyOf(options) },
        body: content,
      }),
    )
  }

  deletePlan(job: string, plan: string, options: WriteOptions = {}): Promise<Schemas['DeletedPlan']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/jobs/{job}/plans/{plan}', {
        params: { path: { scope: this.scope, job, plan }, header: keyOf(options) },
      }),
    )
  }

  /** Gives plans the steps of their job. @param sync revision: of the job that they were compared with; plans: all if left out */
  syncPlans(
    job: string,
    sync: { revision: number; plans?: string[] },
    options: WriteOptions = {},
  ): Promise<Schemas['SyncedPlans']> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/jobs/{job}/sync', {
        params: { path: { scope: this.scope, job }, header: keyOf(options) },
        body: sync,
      }),
    )
  }
}
