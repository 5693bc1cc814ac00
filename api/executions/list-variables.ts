/** GET /executions/{executionId}/variables: what a run's variables held, step by step, and who set them. */
import { z } from 'zod'
import { valueSchema, variableSchema } from '../../domain/variable.schema.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { importsOf } from '../../domain/step/step.js'
import type { CompiledVariable } from '../../domain/variable.js'
import { findPlan } from '../../store/postgres/plans.js'
import { isText, toValue } from '../../store/postgres/variable-value.js'
import { listRunValues, listStepInputs } from '../../store/postgres/variables.js'
import { idField, timeField, toTime } from '../fields.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams } from './schema.js'

const heldFields = {
  value: valueSchema.describe('What is no UTF-8 in it stands as replacement characters.'),
  isText: z.boolean().describe('Whether it is as it is shown.'),
}

const variableViewSchema = z
  .object({
    name: z.string(),
    type: variableSchema.shape.type,
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

/** What scripts import and no variable is: hosts of the step before theirs. */
function importedOnly(
  plan: CompiledPlan | undefined,
): Pick<CompiledVariable, 'name' | 'type' | 'changeable' | 'value'>[] {
  const taken = (plan?.steps ?? []).flatMap(importsOf).flatMap(({ name, take }) => (take ? name : []))
  return [...new Set(taken)].map((name) => ({ name, type: 'hostList', changeable: false, value: '' }))
}

export const listVariables = operation({
  name: 'list-variables',
  method: 'get',
  path: '/executions/{executionId}/variables',
  policy: 'execution.launch',
  summary: "List a run's variables",
  description:
    'As they were at the launch, as steps were given them, and as steps left them; and what scripts import of the hosts of earlier steps.',
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
    const variables = [...(plan?.variables ?? []), ...importedOnly(plan)]
    const items = variables.map(({ name, type, changeable, value }) => ({
      name,
      type,
      changeable,
      initial: value,
      inputs: inputs
        .filter((input) => input.name === name)
        .map((input) => ({ position: input.position, ...held(type, input.items) })),
      values: values
        .filter((one) => one.name === name)
        .map(({ position, items, hostId, hostName, hosts, agreed, decidedAt }) => ({
          position,
          ...held(type, items),
          hostId,
          hostName,
          hosts,
          agreed,
          at: toTime(decidedAt),
        })),
    }))
    return { items }
  },
})
