/** How a step names a plan of a job: by the plan and one of its revisions. */
import { NAME } from './name.js'

export interface PlanUse {
  job: string
  plan: string
  revision: number
}

const use = new RegExp(`^(${NAME})/(${NAME})@([1-9][0-9]{0,8})$`)

/** `deploy-site/quick@3`; undefined if it names none. */
export function parsePlanUse(text: string): PlanUse | undefined {
  const [, job, plan, revision] = use.exec(text) ?? []
  return job === undefined || plan === undefined ? undefined : { job, plan, revision: Number(revision) }
}
