/** The body of an operation, and which of its fields belong to which kind. */
import { z } from 'zod'
import { RUN_MAX_STEPS } from '../../domain/nested-plan.js'
import { operationKinds, seenRuns } from '../../domain/operation.js'
import { whyField } from './schema.js'

const HOSTS_MAX = 1_000

// Behind its steps a run has those that take them back.
const fields = z.strictObject({
  kind: z.enum(operationKinds),
  hard: z.boolean().optional().describe('pause: also stop what runs.'),
  step: z
    .int()
    .min(0)
    .max(2 * RUN_MAX_STEPS - 1)
    .optional()
    .describe(
      'skip, ignore: which step, by its position from 0. retry: only hosts of this one. resume with a script: the one that goes on. next: the one that you saw; refused if the run is past it.',
    ),
  hosts: z
    .array(z.string().min(1).max(255))
    .min(1)
    .max(HOSTS_MAX)
    .optional()
    .describe('skip: leave only these hosts out of the step, by name or id. All of them or none.'),
  all: z.boolean().optional().describe('retry: hosts that succeeded, too.'),
  script: z
    .string()
    .min(1)
    .optional()
    .describe('retry, resume: what the new attempts run, in the language of the step; at most 1 MiB.'),
  includeUnknown: z
    .boolean()
    .optional()
    .describe(
      'retry: also hosts whose outcome is unknown; their script may have run. undo: undo these, too, or (false) leave them out.',
    ),
  unknownHosts: z
    .int()
    .min(1)
    .optional()
    .describe('With includeUnknown: how many these are; refused if it is another number by now.'),
  seen: z
    .enum(seenRuns)
    .optional()
    .describe('What you saw, a run still open or one that had ended: refused if it is the other by now.'),
  why: whyField,
  operationId: z.uuid().optional().describe('Left out: made from the Idempotency-Key.'),
})

export type OperateBody = z.infer<typeof fields>

/** Fields of some kinds only. */
const only: Partial<Record<keyof OperateBody, readonly OperateBody['kind'][]>> = {
  hard: ['pause'],
  step: ['skip', 'ignore', 'retry', 'resume', 'next'],
  hosts: ['skip'],
  all: ['retry'],
  script: ['retry', 'resume'],
  includeUnknown: ['retry', 'undo'],
}

export const operateSchema = fields.superRefine((body, context) => {
  const fault = (field: keyof OperateBody, message: string) =>
    context.addIssue({ code: 'custom', path: [field], message })
  for (const [field, kinds] of Object.entries(only) as [keyof OperateBody, readonly string[]][])
    if (body[field] !== undefined && !kinds.includes(body.kind))
      fault(field, `is for ${kinds.join(', ')} only`)
  if ((body.kind === 'skip' || body.kind === 'ignore') && body.step === undefined)
    fault('step', `is needed for ${body.kind}`)
  if (body.kind === 'resume' && body.step !== undefined && body.script === undefined)
    fault('step', 'is for a resume with a script only')
  const saysUnknown = body.kind === 'undo' ? body.includeUnknown !== undefined : body.includeUnknown === true
  if (saysUnknown !== (body.unknownHosts !== undefined))
    fault(
      'unknownHosts',
      'is needed with includeUnknown, and with it only: how many hosts you know to be unknown',
    )
})
