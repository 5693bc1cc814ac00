/** GET /executions/{executionId}/variables: what a run's variables held, step by step, and who set them. */
import { z } from 'zod'
import { valueSchema, variableTypeField } from '../../domain/variable.schema.js'
import { visitOf } from '../../domain/nested-plan.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { listKey } from '../../domain/step/import.js'
import { importsOf } from '../../domain/step/step.js'
import { secretsIn } from '../../domain/visit-secrets.js'
import type { CompiledVariable } from '../../domain/variable.js'
import { showFrozenValue } from '../../domain/secret-variable.js'
import { findPlan } from '../../store/postgres/plans.js'
import { isText, toValue } from '../../store/postgres/variable-value.js'
import { listRunValues, listStepInputs } from '../../store/postgres/variables.js'
import { idField, timeField, toTime } from '../fields.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams, inPlanField } from './schema.js'

const heldFields = {
  value: valueSchema.describe('What is no UTF-8 in it stands as replacement characters.'),
  isText: z.boolean().describe('Whether it is as it is shown.'),
}

const variableViewSchema = z
  .object({
    name: z.string(),
    in: inPlanField,
    type: variableTypeField,
    changeable: z.boolean(),
    initial: valueSchema,
    inputs: z
      .array(z.object({ position: z.int(), ...heldFields }))
      .describe(
        'What steps that have begun were given: of those that may change, and names of hosts, one a line, that a script imports.',
      ),
    values: z
      .array(
        z.object({
          position: z.int().describe('Of the step that set it.'),
          ...heldFields,
          hostId: idField,
          hostName: z
            .string()
            .describe('The first host in the order of the target that succeeded and set it.'),
          hosts: z.int().describe('How many set it.'),
          agreed: z.boolean().describe('Whether all of them set it to this.'),
          at: timeField,
        }),
      )
      .describe('In the order in which they were settled.'),
  })
  .meta({ id: 'RunVariable' })

type Shown = Pick<CompiledVariable, 'name' | 'type' | 'changeable' | 'value' | 'within'>

/** What scripts import and no variable is: hosts of the step before theirs. */
function importedOnly(plan: CompiledPlan | undefined): Shown[] {
  const taken = (plan?.steps ?? []).flatMap((step) =>
    importsOf(step).flatMap(({ name, take }): [string, Shown][] =>
      take ? [[listKey(name, step.within), importedAs(name, step.within)]] : [],
    ),
  )
  return [...new Map(taken).values()]
}

const importedAs = (name: string, within: number | undefined): Shown => ({
  name,
  type: 'hostList',
  changeable: false,
  value: '',
  ...(within === undefined ? {} : { within }),
})

export const listVariables = operation({
  name: 'list-variables',
  method: 'get',
  path: '/executions/{executionId}/variables',
  policy: 'execution.launch',
  summary: "List a run's variables",
  description:
    'As they were at the launch, as steps were given them, and as steps left them; and what scripts import of the hosts of earlier steps. Of a secret only which version, or `******`.',
  params: executionParams,
  response: z.object({ items: z.array(variableViewSchema) }),
  errors: ['execution_unknown'],
  async handler({ services: { pool }, scope, params }) {
    const run = await mustFindExecution(pool, scope.id, params.executionId)
    const plan = await findPlan(pool, scope.id, run.planHash)
    const key = { scopeId: scope.id, executionId: run.id }
    const [inputs, values] = await Promise.all([listStepInputs(pool, key), listRunValues(pool, key)])
    const held = (type: CompiledVariable['type'], items: readonly Buffer[]) => ({
      value: toValue(type, items),
      isText: isText(items),
    })
    const isOf = (variable: Shown) => (one: { name: string; position: number }) =>
      one.name === variable.name && plan?.steps[one.position]?.within === variable.within
    const items = [...(plan?.variables ?? []), ...importedOnly(plan)].map((variable) => {
      const { name, type, changeable, value, within } = variable
      return {
        name,
        in: plan ? visitOf(plan, within) : null,
        type,
        changeable,
        initial: value,
        inputs: inputs
          .filter(isOf(variable))
          .map((input) => ({ position: input.position, ...held(type, input.items) })),
        values: values
          .filter(isOf(variable))
          .map(({ position, items, hostId, hostName, hosts, agreed, decidedAt }) => ({
            position,
            ...held(type, items),
            hostId,
            hostName,
            hosts,
            agreed,
            at: toTime(decidedAt),
          })),
      }
    })
    return { items: [...items, ...(plan ? secretsOfPlan(plan) : [])] }
  },
})

const secretsOfPlan = (plan: CompiledPlan) =>
  secretsIn(plan).map(({ name, within, frozen }) => ({
    name,
    in: visitOf(plan, within),
    type: 'secret' as const,
    changeable: false,
    initial: showFrozenValue(frozen),
    inputs: [],
    values: [],
  }))
