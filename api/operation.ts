/** Operations: one value describes an endpoint; the router, the OpenAPI document and the policy all read it. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Response } from 'express'
import type { z } from 'zod'
import type { ErrorCode } from '../domain/errors.js'
import type { Action } from '../domain/role.js'
import type { Db } from '../store/postgres/pool.js'
import type { Caller } from '../store/postgres/principals.js'
import type { Scope } from '../store/postgres/scopes.js'
import type { Services } from './services.js'

/** Who may: holders of an action in the path's scope, anyone with a token, or anyone. There is no default. */
export type Policy = Action | 'signed-in' | 'public'

interface Anyones<P, Q, B> {
  services: Services
  requestId: string
  params: P
  query: Q
  body: B
  headers: IncomingHttpHeaders
  /** Aborted when the client is gone or the process drains. */
  ended: AbortSignal
}

/** What a handler is given: the caller unless the policy is public, the scope if the policy is an action. */
export type Call<Pol extends Policy, P, Q, B = undefined> = Anyones<P, Q, B> &
  (Pol extends 'public' ? unknown : { caller: Caller }) &
  (Pol extends Action ? { scope: Scope } : unknown)

/** A call of an operation with an action, as functions shared between handlers take it. */
export type ScopedCall = Call<Action, unknown, unknown, unknown>

interface Common<Pol extends Policy, P extends z.ZodObject, Q extends z.ZodObject> {
  /** operationId: the name of its file. */
  name: string
  /** `/hosts/{hostId}`, below `/api/v1/scopes/{scope}` if the policy is an action, else below `/api/v1`. */
  path: string
  policy: Pol
  summary: string
  description?: string
  params?: P
  query?: Q
  /** Codes of its own; those that every operation can answer are not listed. */
  errors: readonly ErrorCode[]
}

interface Read<Pol extends Policy, P extends z.ZodObject, Q extends z.ZodObject, R extends z.ZodType>
  extends Common<Pol, P, Q> {
  method: 'get'
  response: R
  handler(call: Call<Pol, z.output<P>, z.output<Q>>): Promise<z.input<R>>
}

/** A POST that changes nothing: a question too long for a URL. */
interface Compute<
  Pol extends Action,
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
> extends Common<Pol, P, Q> {
  method: 'post'
  body: B
  response: R
  compute(call: Call<Pol, z.output<P>, z.output<Q>, z.output<B>>): Promise<z.input<R>>
}

interface Stream<Pol extends Policy, P extends z.ZodObject, Q extends z.ZodObject> extends Common<Pol, P, Q> {
  method: 'get'
  /** Media types of the answer; the handler writes it. */
  produces: readonly string[]
  /** The answer where it is JSON. */
  response?: z.ZodType
  stream(call: Call<Pol, z.output<P>, z.output<Q>>, response: Response): Promise<void>
}

interface Write<
  Pol extends Action,
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
> extends Common<Pol, P, Q> {
  method: 'post' | 'put' | 'patch' | 'delete'
  /** Left out: the request has no body. */
  body?: B
  /** True if the body is bytes, given to the handler as they came. */
  bytes?: true
  status?: 200 | 201
  response: R
  /** True if the body or the answer holds a secret: what is kept of either for repeats needs the caller's own token. */
  secret?: boolean | ((call: { body: z.output<B> }) => boolean)
  /** What the audit log is told before anything is done. */
  audit(call: Call<Pol, z.output<P>, z.output<Q>, z.output<B>>): {
    resource: string
    detail: Record<string, unknown>
  }
  /** Does it, in the transaction that also keeps the answer for the idempotency key. */
  write(call: Call<Pol, z.output<P>, z.output<Q>, z.output<B>>, tx: Db): Promise<z.input<R>>
  /** Runs after the commit, and again at every repeat: what it returns is the answer. */
  finish?(
    call: Call<Pol, z.output<P>, z.output<Q>, z.output<B>>,
    answer: z.output<R>,
    replayed: boolean,
  ): Promise<z.input<R>>
}

type Wide = Call<Action, unknown, unknown, unknown>

/** An operation with its types forgotten: what the router and the document see. */
export interface Operation {
  name: string
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  path: string
  policy: Policy
  summary: string
  description?: string
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  bytes?: boolean
  errors: readonly ErrorCode[]
  status?: 200 | 201
  response?: z.ZodType
  produces?: readonly string[]
  secret?: boolean | ((call: { body: unknown }) => boolean)
  handler?(call: Wide): Promise<unknown>
  stream?(call: Wide, response: Response): Promise<void>
  audit?(call: Wide): { resource: string; detail: Record<string, unknown> }
  compute?(call: Wide): Promise<unknown>
  write?(call: Wide, tx: Db): Promise<unknown>
  finish?(call: Wide, answer: unknown, replayed: boolean): Promise<unknown>
}

type Nothing = z.ZodObject<Record<never, never>>

/** A GET that answers JSON. */
export function operation<
  Pol extends Policy,
  R extends z.ZodType,
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
>(definition: Read<Pol, P, Q, R>): Operation
/** A GET that answers bytes or events. */
export function operation<
  Pol extends Policy,
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
>(definition: Stream<Pol, P, Q>): Operation
/** A POST that changes nothing. */
export function operation<
  Pol extends Action,
  R extends z.ZodType,
  B extends z.ZodType,
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
>(definition: Compute<Pol, P, Q, B, R>): Operation
/** A mutation: audited, idempotent, in one transaction. */
export function operation<
  Pol extends Action,
  R extends z.ZodType,
  B extends z.ZodType = z.ZodUndefined,
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
>(definition: Write<Pol, P, Q, B, R>): Operation
export function operation(definition: unknown): Operation {
  // The overloads have checked it; a list of operations cannot carry each one's types.
  return definition as Operation
}

const prefix = '/api/v1'

/** The whole path, with `{name}` for its parameters. */
export function fullPath(op: Operation): string {
  return isScoped(op) ? `${prefix}/scopes/{scope}${op.path}` : prefix + op.path
}

export function isScoped(op: Operation): boolean {
  return op.policy !== 'public' && op.policy !== 'signed-in'
}
