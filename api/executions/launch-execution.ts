/** POST /executions: launches a plan, or one ad-hoc step, on hosts that are found once and then frozen. */
import { auditedSecrets } from '../../domain/audited-secrets.js'
import { PlatformError } from '../../domain/errors.js'
import { workflowIdOf } from '../../domain/execution.js'
import { checkConfirm, hasShares } from '../../domain/launch.js'
import { withKept } from '../../domain/plan.js'
import type { FrozenSecret } from '../../domain/secret.js'
import { auditOf, dbAccountsOf, targetOf } from '../../domain/step/step.js'
import { cutText } from '../../domain/text.js'
import { insertLaunch } from '../../store/postgres/launches.js'
import { labelShares } from '../../store/postgres/targets.js'
import { operation } from '../operation.js'
import { giveValues, keepErrors, keepValue, mayGiveValues } from '../secrets/keep-values.js'
import { holdNamed, sha256 } from './find-used.js'
import {
  type CompiledLaunch,
  compileLaunch,
  digestOf,
  launchErrors,
  launchSchema,
  nameOf,
  stepsOf,
} from './launch-request.js'
import { executionSchema, executionView } from './schema.js'
import { startWorkflow } from './start-workflow.js'

export const launchExecution = operation({
  name: 'launch-execution',
  method: 'post',
  path: '/executions',
  policy: 'execution.launch',
  summary: 'Launch a plan or a script',
  description:
    'Answers as soon as the execution is written; it starts by itself, even where Temporal is away for a while. A request that gives values of variables is repeated with the same token.',
  status: 201,
  secret: ({ body }) => mayGiveValues(body.variables) || giveValues(body.plan?.variables),
  body: launchSchema,
  response: executionSchema,
  errors: [...launchErrors, ...keepErrors, 'confirmation_required', 'launch_changed'],
  audit: ({ body }) => ({
    resource: 'execution',
    detail: {
      name: nameOf(body),
      target: cutText(body.target ?? '', 500),
      stepTargets: stepsOf(body).map((step) => cutText(targetOf(step) ?? '', 500)),
      job: body.job ?? null,
      variables: Object.keys(body.variables ?? {}),
      scripts: stepsOf(body).flatMap((step) => auditOf(step, sha256)),
      secrets: auditedSecrets({
        steps: stepsOf(body),
        variables: body.plan?.variables,
        values: body.variables,
      }),
      secretsOf: body.secretsOf ?? null,
      dbAccounts: [...new Set(stepsOf(body).flatMap(dbAccountsOf))],
    },
  }),
  async write({ scope, caller, body }, tx) {
    const launch = await compileLaunch(tx, scope.id, body)
    const { plan, targets, found, compilation } = launch
    const { hosts } = targets
    const hostIds = hosts.map((host) => host.id)
    const shares = hasShares(hosts.length) ? await labelShares(tx, scope.id, hostIds) : []
    // A digest says more than the number of hosts; where both are given, both hold.
    if (body.digest === undefined || body.confirm !== undefined)
      checkConfirm(hosts.length, shares, body.confirm)
    if (body.digest !== undefined) checkDigest(body.digest, launch)
    const keeper = { scopeId: scope.id, by: caller.principalId }
    const kept = new Map<string, FrozenSecret>()
    for (const [name, value] of compilation.given) kept.set(name, await keepValue(tx, keeper, value))
    const execution = await insertLaunch(tx, {
      scopeId: scope.id,
      scopeName: scope.name,
      principalId: caller.principalId,
      trigger: 'api',
      compilation: { ...compilation, plan: withKept(compilation.plan, kept) },
      target: body.target ?? '',
      targets,
      expiresInMs: body.expiresInMs,
    })
    await holdNamed(tx, scope.id, plan, found)
    return executionView(execution)
  },
  async finish({ services, scope }, answer, replayed) {
    if (!replayed)
      await startWorkflow(services, {
        ...answer,
        scopeId: scope.id,
        scopeName: scope.name,
        workflowId: workflowIdOf(scope.name, answer.id, answer.continuation),
      })
    return answer
  },
})

/** @throws PlatformError launch_changed */
function checkDigest(demanded: string, launch: CompiledLaunch): void {
  if (demanded === digestOf(launch)) return
  throw new PlatformError(
    'launch_changed',
    'what would be done, or the hosts it would be done to, is not what was previewed: look at a new preview',
  )
}
