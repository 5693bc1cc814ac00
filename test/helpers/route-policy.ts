/**
 * Who may use which route, written down a second time and by hand: the security suites compare it with the live router.
 * A route that is missing here fails them, so that nobody adds one without deciding who may use it.
 */
import { randomUUID } from 'node:crypto'
import type { Role } from '../../domain/role'

export interface Rule {
  /** `anyone`: without a credential. `any-token`: with one that holds. Else the roles, in the path's scope. */
  may: 'anyone' | 'any-token' | readonly Role[]
  /** What succeeds, of a sample request. */
  status?: number
  /** A query that succeeds. */
  query?(things: { executionId: string }): string
  /** A body that succeeds: JSON, or bytes. */
  body?(): unknown
  /** The sample changes what it names: it needs a fresh one each time. */
  uses?: true
  /** The path names what is made: a name of another scope is free here. */
  makes?: true
}

const everyRole: readonly Role[] = ['viewer', 'operator', 'approver', 'admin']
const operators: readonly Role[] = ['operator', 'admin']
const admins: readonly Role[] = ['admin']
const inScope = '/api/v1/scopes/:scope'

export const policy: Readonly<Record<string, Rule>> = {
  'GET /healthz': { may: 'anyone' },
  'GET /readyz': { may: 'anyone' },
  'GET /metrics': { may: 'anyone' },
  'GET /api/v1/openapi.json': { may: 'anyone' },
  'GET /api/v1/whoami': { may: 'any-token' },

  [`GET ${inScope}/hosts`]: { may: everyRole },
  [`GET ${inScope}/hosts/:hostId`]: { may: everyRole },
  [`POST ${inScope}/targets/resolve`]: { may: everyRole, body: () => ({ target: '*' }) },
  [`PATCH ${inScope}/hosts/:hostId/labels`]: { may: operators, body: () => ({ labels: { rack: 'z' } }) },
  [`POST ${inScope}/hosts/:hostId/revoke`]: { may: admins, uses: true },
  [`POST ${inScope}/hosts/:hostId/release`]: { may: admins },
  [`POST ${inScope}/hosts/upgrade`]: {
    may: admins,
    body: () => ({ target: 'name:fixed', version: 'sample' }),
  },
  [`GET ${inScope}/agent-bundles`]: { may: everyRole },
  [`POST ${inScope}/agent-bundles`]: {
    may: admins,
    status: 201,
    query: () => `?version=${randomUUID()}`,
    body: () => Buffer.from('a bundle'),
  },

  [`GET ${inScope}/groups`]: { may: everyRole },
  [`GET ${inScope}/groups/:group`]: { may: everyRole },
  [`PUT ${inScope}/groups/:group`]: { may: operators, makes: true, body: () => ({ target: '*' }) },
  [`DELETE ${inScope}/groups/:group`]: { may: operators, uses: true },

  [`GET ${inScope}/scripts`]: { may: everyRole },
  [`POST ${inScope}/scripts`]: {
    may: operators,
    status: 201,
    body: () => ({ name: `s-${randomUUID()}`, content: 'true' }),
  },
  [`GET ${inScope}/scripts/:script`]: { may: everyRole },
  [`PATCH ${inScope}/scripts/:script`]: {
    may: operators,
    uses: true,
    body: () => ({ tags: ['nightly'], revision: 1 }),
  },
  [`DELETE ${inScope}/scripts/:script`]: { may: operators, uses: true },
  [`GET ${inScope}/scripts/:script/versions`]: { may: everyRole },
  [`POST ${inScope}/scripts/:script/versions`]: {
    may: operators,
    status: 201,
    body: () => ({ content: 'true' }),
  },
  [`GET ${inScope}/scripts/:script/versions/:version`]: { may: everyRole },
  [`PUT ${inScope}/scripts/:script/versions/:version`]: {
    may: operators,
    uses: true,
    body: () => ({ content: 'false', revision: 1 }),
  },
  [`DELETE ${inScope}/scripts/:script/versions/:version`]: { may: operators, uses: true },
  [`POST ${inScope}/scripts/:script/versions/:version/publish`]: {
    may: operators,
    uses: true,
    body: () => ({ revision: 1 }),
  },
  [`POST ${inScope}/scripts/:script/versions/:version/disable`]: { may: operators, uses: true },

  [`GET ${inScope}/scripts/:script/citations`]: { may: everyRole },
  // The sample's version is a draft, to which no job is moved.
  [`POST ${inScope}/scripts/:script/sync`]: { may: operators, status: 409, body: () => ({ to: 1 }) },

  // What every scope uses is changed by admins of the platform's own, which the samples' scope is.
  [`GET ${inScope}/public-scripts`]: { may: everyRole },
  [`POST ${inScope}/public-scripts`]: {
    may: admins,
    status: 201,
    body: () => ({ name: `s-${randomUUID()}`, content: 'true' }),
  },
  [`GET ${inScope}/public-scripts/:script`]: { may: everyRole },
  [`PATCH ${inScope}/public-scripts/:script`]: {
    may: admins,
    uses: true,
    body: () => ({ tags: ['nightly'], revision: 1 }),
  },
  [`DELETE ${inScope}/public-scripts/:script`]: { may: admins, uses: true },
  [`GET ${inScope}/public-scripts/:script/versions`]: { may: everyRole },
  [`POST ${inScope}/public-scripts/:script/versions`]: {
    may: admins,
    status: 201,
    body: () => ({ content: 'true' }),
  },
  [`GET ${inScope}/public-scripts/:script/versions/:version`]: { may: everyRole },
  [`PUT ${inScope}/public-scripts/:script/versions/:version`]: {
    may: admins,
    uses: true,
    body: () => ({ content: 'false', revision: 1 }),
  },
  [`DELETE ${inScope}/public-scripts/:script/versions/:version`]: { may: admins, uses: true },
  [`POST ${inScope}/public-scripts/:script/versions/:version/publish`]: {
    may: admins,
    uses: true,
    body: () => ({ revision: 1 }),
  },
  [`POST ${inScope}/public-scripts/:script/versions/:version/disable`]: { may: admins, uses: true },
  [`GET ${inScope}/public-scripts/:script/citations`]: { may: everyRole },
  // Moves jobs of the scope, and nobody else's.
  [`POST ${inScope}/public-scripts/:script/sync`]: { may: operators, status: 409, body: () => ({ to: 1 }) },

  [`GET ${inScope}/jobs`]: { may: everyRole },
  [`GET ${inScope}/jobs/:job`]: { may: everyRole },
  [`PUT ${inScope}/jobs/:job`]: {
    may: operators,
    uses: true,
    body: () => ({ steps: [{ name: 'one', script: 'false' }], revision: 1 }),
  },
  [`DELETE ${inScope}/jobs/:job`]: { may: operators, uses: true, status: 409 },
  [`GET ${inScope}/jobs/:job/plans`]: { may: everyRole },
  [`GET ${inScope}/jobs/:job/plans/:plan`]: { may: everyRole },
  [`PUT ${inScope}/jobs/:job/plans/:plan`]: {
    may: operators,
    uses: true,
    body: () => ({ chosen: ['one'], revision: 1 }),
  },
  [`DELETE ${inScope}/jobs/:job/plans/:plan`]: { may: operators, uses: true },
  [`GET ${inScope}/jobs/:job/plans/:plan/citations`]: { may: everyRole },
  [`POST ${inScope}/jobs/:job/sync`]: { may: operators, body: () => ({ revision: 1 }) },

  [`GET ${inScope}/db-accounts`]: { may: everyRole },
  [`GET ${inScope}/db-accounts/:dbAccount`]: { may: everyRole },
  // Who says where an account signs in has its password sent there.
  [`PUT ${inScope}/db-accounts/:dbAccount`]: {
    may: admins,
    uses: true,
    body: () => ({ engine: 'mysql', user: 'ann', revision: 1 }),
  },
  [`DELETE ${inScope}/db-accounts/:dbAccount`]: { may: admins, uses: true },
  // Who may launch may use them; only an administrator sets and ends them. Nobody reads a value.
  [`GET ${inScope}/secrets`]: { may: everyRole },
  [`POST ${inScope}/secrets`]: {
    may: admins,
    status: 201,
    body: () => ({ name: `s-${randomUUID()}`, value: 'sample-value' }),
  },
  [`GET ${inScope}/secrets/:secret`]: { may: everyRole },
  [`DELETE ${inScope}/secrets/:secret`]: { may: admins, uses: true },
  [`GET ${inScope}/secrets/:secret/versions`]: { may: everyRole },
  [`POST ${inScope}/secrets/:secret/versions`]: {
    may: admins,
    status: 201,
    body: () => ({ value: 'another-value' }),
  },
  [`POST ${inScope}/secrets/:secret/versions/:version/enable`]: { may: admins },
  [`POST ${inScope}/secrets/:secret/versions/:version/disable`]: { may: admins, uses: true },
  [`POST ${inScope}/secrets/:secret/versions/:version/destroy`]: { may: admins, uses: true },
  [`GET ${inScope}/secrets/:secret/citations`]: { may: everyRole },

  [`GET ${inScope}/recoveries`]: { may: everyRole },
  [`POST ${inScope}/recoveries/resume`]: { may: operators },

  [`GET ${inScope}/join-tokens`]: { may: admins },
  [`POST ${inScope}/join-tokens`]: { may: admins, status: 201, body: () => ({ labels: {} }) },
  [`DELETE ${inScope}/join-tokens/:joinTokenId`]: { may: admins, uses: true },

  [`GET ${inScope}/executions`]: { may: everyRole },
  [`POST ${inScope}/executions`]: {
    may: operators,
    status: 201,
    body: () => ({ target: 'name:fixed', script: { script: 'true' } }),
  },
  [`POST ${inScope}/executions/preview`]: {
    may: everyRole,
    body: () => ({ target: 'name:fixed', script: { script: 'true' } }),
  },
  // No run is called so: nothing is cancelled under the other tests.
  [`POST ${inScope}/executions/cancel`]: { may: operators, status: 409, body: () => ({ name: 'none' }) },
  [`GET ${inScope}/executions/:executionId`]: { may: everyRole },
  // Texts, arguments and environments are for those who may launch them.
  [`GET ${inScope}/executions/:executionId/launch`]: { may: operators },
  [`GET ${inScope}/executions/:executionId/steps/:position/script`]: { may: operators },
  [`GET ${inScope}/executions/:executionId/events`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/operations`]: { may: everyRole },
  [`POST ${inScope}/executions/:executionId/operations`]: {
    may: operators,
    uses: true,
    body: () => ({ kind: 'cancel' }),
  },
  [`GET ${inScope}/executions/:executionId/steps/:position/hosts`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/steps/:position/groups`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/steps/:position/hosts/:hostId/output/:stream`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/steps/:position/hosts/:hostId/verdicts`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/output/follow`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/results`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/undo`]: { may: everyRole },
  [`GET ${inScope}/executions/:executionId/variables`]: { may: operators },
  [`GET ${inScope}/executions/:executionId/steps/:position/compare`]: {
    may: everyRole,
    query: ({ executionId }) => `?with=${executionId}`,
  },
  [`GET ${inScope}/executions/:executionId/search`]: { may: everyRole, query: () => '?q=a' },
  [`GET ${inScope}/executions/:executionId/search/counts`]: { may: everyRole, query: () => '?q=a' },
}
