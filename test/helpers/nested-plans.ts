/** Plans for steps to bring. */
import type { TestApi } from './api'

let made = 0

/** A step that brings a plan. @param plan as a step names it */
export const brings = (name: string, plan: string, more: object = {}) => ({
  type: 'plan',
  name,
  plan,
  ...more,
})

/** Makes a job with a plan of all its steps. @param forMs patience with an API that is away @returns how a step names it */
export async function makePlan(
  api: TestApi,
  steps: object[],
  variables: object[] = [],
  forMs?: number,
): Promise<string> {
  const job = `nested-${++made}`
  for (const [path, body] of [
    [`/jobs/${job}`, { steps, variables }],
    [`/jobs/${job}/plans/p`, {}],
  ] as const) {
    const { status, body: answer } = await api.insist('PUT', path, body, forMs)
    if (status !== 200) throw new Error(JSON.stringify(answer))
  }
  return `${job}/p@1`
}
