/** Jobs as YAML documents: what Git holds, `apply` sends and `export` prints. */
import { readFileSync } from 'node:fs'
import { isAlias, parse, parseAllDocuments, stringify, visit, YAMLError } from 'yaml'
import type { Job, JobContent, PlanContent, PlanSummary } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { decode } from './script-input.js'

export type Step = JobContent['steps'][number]
export type Variable = NonNullable<JobContent['variables']>[number]
export type Values = NonNullable<PlanContent['values']>

export interface JobFile {
  job: string
  description: string
  tags: string[]
  variables: Variable[]
  steps: Step[]
  /** By name; null chooses all steps. */
  plans: Record<string, { description: string; steps: string[] | null; values: Values }>
}

/** Of one document, as of one request. */
const MAX_CHARACTERS = 8 * 1024 * 1024

/** What the server fills in: left out of a document, so that it says what somebody meant. */
const defaults: Record<string, unknown> = {
  type: 'script',
  arguments: [],
  environment: {},
  workingDirectory: '',
  account: '',
  login: false,
  timeoutMs: 3_600_000,
  graceMs: 10_000,
  onFailure: 'stop',
  format: 'tsv',
  onError: 'stop',
  transaction: false,
}

const variableDefaults: Record<string, unknown> = {
  type: 'string',
  description: '',
  required: false,
  changeable: false,
  onDisagreement: 'first',
}

/**
 * The documents of a text, in order. The server checks what is in them; here it is only made sure that they are plain data.
 * @param name of the file, for the message
 * @throws UsageError
 */
export function readJobFile(text: string, name: string): JobFile[] {
  const documents = parseAllDocuments(text, { schema: 'core', merge: false, uniqueKeys: true })
  if (!Array.isArray(documents) || !documents.length) throw new UsageError(`${name} has no document`)
  return documents.map((document, index) => {
    const where = documents.length === 1 ? name : `${name}, document ${index + 1}`
    const [from, , to] = document.range
    if (to - from > MAX_CHARACTERS)
      throw new UsageError(`${where} has over 8 MiB: put its scripts into the library`)
    const [fault] = [...document.errors, ...document.warnings]
    if (fault) throw new UsageError(yamlFault(where, fault))
    visit(document, (_key, node) => {
      if (isAlias(node))
        throw new UsageError(
          `${where}: aliases (as *name) are not taken: write it out, or in quotes if it is a text`,
        )
    })
    return shapeOf(document.toJS({ maxAliasCount: 0 }) as unknown, where)
  })
}

/** Where the text stops being YAML. The library's own message has the line in it, and that may be a secret's. */
export function yamlFault(where: string, error: unknown): string {
  if (!(error instanceof YAMLError)) return `${where} cannot be read: ${(error as Error).message}`
  const at = error.linePos?.[0]
  const place = at ? ` at line ${at.line}, column ${at.col}` : ''
  return `${where}: this is not YAML${place} (${error.code.toLowerCase().replaceAll('_', ' ')})`
}

function shapeOf(value: unknown, where: string): JobFile {
  const fields = recordOf(value, where)
  const { job, description = '', tags = [], variables = [], steps, plans = {}, ...rest } = fields
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw new UsageError(
      `${where}: there is no field "${unknown}"; there are job, description, tags, variables, steps, plans`,
    )
  if (typeof job !== 'string' || !job) throw new UsageError(`${where}: "job" must be the name of the job`)
  if (!Array.isArray(tags)) throw new UsageError(`${where}: "tags" must be a list`)
  if (typeof description !== 'string') throw new UsageError(`${where}: "description" must be a text`)
  if (!Array.isArray(variables)) throw new UsageError(`${where}: "variables" must be a list`)
  if (!Array.isArray(steps)) throw new UsageError(`${where}: "steps" must be a list`)
  return {
    job,
    description,
    tags: tags as string[],
    variables: variables.map((one, index) =>
      compactVariable(recordOf(one, `${where}: variable ${index + 1}`)),
    ),
    steps: steps.map((step, index) => compactStep(recordOf(step, `${where}: step ${index + 1}`)) as Step),
    plans: Object.fromEntries(
      Object.entries(recordOf(plans, `${where}: "plans"`)).map(([name, plan]) => [
        name,
        planOf(plan ?? {}, `${where}: plan ${name}`),
      ]),
    ),
  }
}

function planOf(value: unknown, where: string): JobFile['plans'][string] {
  const { description = '', steps = null, values = {}, ...rest } = recordOf(value, where)
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw new UsageError(`${where}: there is no field "${unknown}"; there are description, steps and values`)
  if (typeof description !== 'string') throw new UsageError(`${where}: "description" must be a text`)
  if (steps !== null && !Array.isArray(steps))
    throw new UsageError(`${where}: "steps" must be a list of names`)
  return { description, steps, values: recordOf(values, `${where}: "values"`) as Values }
}

const isFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function recordOf(value: unknown, where: string): Record<string, unknown> {
  if (isFields(value)) return value
  throw new UsageError(`${where} must be a map of fields`)
}

/** A step without what the server fills in. */
function compactStep(step: object): object {
  const compact = without(step, defaults)
  return 'undo' in compact && isFields(compact.undo)
    ? { ...compact, undo: without(compact.undo, defaults) }
    : compact
}

/** The same of a variable; its value stands in it even where it is empty, as somebody wrote it. */
export const compactVariable = (variable: object) => without(variable, variableDefaults) as Variable

function without(fields: object, filledIn: Record<string, unknown>): object {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([key, value]) => value !== undefined && JSON.stringify(filledIn[key]) !== JSON.stringify(value),
    ),
  )
}

/** Values of variables, by name: a text, a list, or a map each. @throws UsageError */
export function readValues(file: string): Values {
  try {
    return recordOf(
      parse(decode(readFileSync(file)), { schema: 'failsafe', maxAliasCount: 0 }),
      file,
    ) as Values
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(yamlFault(file, error))
  }
}

/** What the server has, as a document would say it. */
export function fileOf(job: Job, plans: readonly PlanSummary[]): JobFile {
  return {
    job: job.name,
    description: job.description,
    tags: job.tags,
    variables: job.variables.map(compactVariable),
    steps: job.steps.map((step) => compactStep(step) as Step),
    plans: Object.fromEntries(
      plans.map(({ name, description, chosen, values }) => [name, { description, steps: chosen, values }]),
    ),
  }
}

export const YAML_LAYOUT = { lineWidth: 0, blockQuote: 'literal' } as const

// In the order in which people read them.
const stepOrder = ['name', 'target', 'uses', 'plan', 'language', 'script', 'sql', 'dbAccount', 'arguments']

/** One document, the same text for the same job. */
export function printJobFile(file: JobFile): string {
  const { job, description, tags, variables, steps, plans } = file
  const ordered = steps.map(orderFields)
  const shownPlans = Object.entries(plans)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, plan]) => [
      name,
      {
        ...(plan.description ? { description: plan.description } : {}),
        ...(plan.steps ? { steps: plan.steps } : {}),
        ...(Object.keys(plan.values).length ? { values: plan.values } : {}),
      },
    ])
  return stringify(
    {
      job,
      ...(description ? { description } : {}),
      ...(tags.length ? { tags } : {}),
      ...(variables.length ? { variables } : {}),
      steps: ordered,
      ...(shownPlans.length ? { plans: Object.fromEntries(shownPlans) as object } : {}),
    },
    YAML_LAYOUT,
  )
}

/** What stands for the value of a secret that is kept. */
const UNCHANGED = '******'

/** Whether it names a secret of the store; anything else may be a secret itself, as a number that YAML made of one. */
const namesSecret = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).join() === 'secret'

/** For people to see: that the document brings another value of a secret, and not the value. */
export function concealSecrets(file: JobFile): JobFile {
  const secrets = new Set(file.variables.filter(({ type }) => type === 'secret').map(({ name }) => name))
  const conceal = (name: string, value: Values[string]) =>
    secrets.has(name) && value !== UNCHANGED && !namesSecret(value) ? `${UNCHANGED} (another one)` : value
  const concealAll = (values: Values) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, conceal(name, value)]))
  return {
    ...file,
    variables: file.variables.map((variable) =>
      variable.value === undefined
        ? variable
        : { ...variable, value: conceal(variable.name, variable.value) },
    ),
    plans: Object.fromEntries(
      Object.entries(file.plans).map(([name, plan]) => [name, { ...plan, values: concealAll(plan.values) }]),
    ),
  }
}

/** The steps that a plan runs and the variables that they have, as its job's document would say them. */
export function printPlan(
  { steps, variables }: Pick<Job, 'steps' | 'variables'>,
  chosen: readonly string[] | null,
): string {
  const run = shortSteps(steps.filter((step) => chosen === null || chosen.includes(step.name)))
  if (!variables.length) return stringify(run, YAML_LAYOUT)
  return stringify({ variables: variables.map(compactVariable), steps: run }, YAML_LAYOUT)
}

/** Steps as people write them: without what the server fills in, in the order in which they read them. */
export const shortSteps = (steps: readonly object[]) => steps.map((step) => orderFields(compactStep(step)))

function orderFields(step: object): object {
  const sorted = Object.entries(step).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
  return Object.fromEntries(
    sorted.map(([key, value]) => [key, key === 'undo' && isFields(value) ? orderFields(value) : value]),
  )
}

function rank(field: string): number {
  // What takes the step back comes after all of it.
  if (field === 'undo') return stepOrder.length + 1
  const at = stepOrder.indexOf(field)
  return at < 0 ? stepOrder.length : at
}
