/** The workflow bundle's entry: every workflow type by its name. */
export { executePlan } from './execute-plan.js'
