/** The shape of a variable as a person writes it, and of the values that plans and launches give. */
import { z } from 'zod'
import { NO_SECRET_OF_STORE, ownValueIn } from './secret-variable.js'
import { VALUE_MAX_BYTES, VALUE_MAX_ITEMS, VARIABLES_MAX, whyNotName } from './variable-name.js'

// A character is at least a byte.
const text = z.string().max(VALUE_MAX_BYTES)

export const variableNameField = z.string().superRefine((name, context) => {
  const why = whyNotName(name)
  if (why) context.addIssue({ code: 'custom', message: why })
})

/** A text, a list of texts, or texts by their keys: as the type of the variable says. */
export const valueSchema = z.union([
  text,
  z.array(text).max(VALUE_MAX_ITEMS),
  z
    .record(text, text)
    .refine((map) => Object.keys(map).length <= VALUE_MAX_ITEMS, `has more than ${VALUE_MAX_ITEMS} keys`),
])

export const variableTypeField = z
  .enum(['string', 'list', 'map', 'perHost', 'hostList', 'secret'])
  .default('string')
  .describe(
    '`perHost` is a text that each host has its own of, once a script has set it there; `hostList` a target, by whose name steps say where they run; `secret` a text that nobody reads back, given to scripts in the file `<NAME>_FILE`.',
  )

const variableFields = z.strictObject({
  name: variableNameField,
  type: variableTypeField,
  value: valueSchema
    .optional()
    .describe(
      'Empty if left out; where it is required, a launch must give one. Of a secret: the value, `{secret: db-password@3}` to name one of the store, or `******` for what is kept already, as it is shown.',
    ),
  description: z.string().max(2_000).default(''),
  required: z.boolean().default(false).describe('Whether a run must be given a value that is not empty.'),
  changeable: z.boolean().default(false).describe('Whether scripts may change it for the steps after them.'),
  onDisagreement: z
    .enum(['first', 'fail'])
    .default('first')
    .describe(
      'Where hosts set different values: that of the first host in the order of the target holds, or the step fails.',
    ),
})

export const variableSchema = variableFields
  .refine(({ type, changeable }) => type !== 'secret' || !changeable, {
    path: ['changeable'],
    message: 'a secret is not changeable: scripts cannot set it',
  })
  // Of values that come apart from their definitions: checkNoneKept.
  .refine(({ type, value = '' }) => type !== 'secret' || ownValueIn(value) === undefined, {
    path: ['value'],
    message: NO_SECRET_OF_STORE,
  })

export const variablesSchema = z
  .array(variableSchema)
  .max(VARIABLES_MAX)
  .refine(
    (variables) => new Set(variables.map((variable) => variable.name)).size === variables.length,
    'must give each variable a name of its own',
  )

export const valuesSchema = z.record(z.string(), valueSchema).describe('By the names of variables.')

export type VariableInput = z.infer<typeof variableSchema>
export type Value = z.infer<typeof valueSchema>
export type Values = z.infer<typeof valuesSchema>
