/** The OpenAPI 3.1 document, made from the same operations as the router. */
import { z } from 'zod'
import { statusOf } from './error-handler.js'
import { type ErrorCode, PlatformError } from '../domain/errors.js'
import { fullPath, isScoped, type Operation } from './operation.js'

type Json = Record<string, unknown>

/** Codes that any operation may answer, by what it is. */
function commonErrors(op: Operation): ErrorCode[] {
  const codes: ErrorCode[] = [
    'request_invalid',
    'text_invalid',
    'headers_too_large',
    'request_too_slow',
    'unavailable',
    'internal',
  ]
  if (op.policy !== 'public') codes.push('credential_missing', 'credential_invalid')
  if (isScoped(op)) codes.push('scope_unknown', 'permission_denied')
  if (op.write) codes.push('idempotency_key_missing', 'idempotency_conflict', 'body_too_large')
  return codes
}

export function openApiDocument(operations: readonly Operation[], version: string): Json {
  const schemas: Json = {}
  const paths: Record<string, Json> = {}
  for (const op of operations) {
    const path = (paths[fullPath(op)] ??= {})
    path[op.method] = describe(op, schemas)
  }
  schemas['Problem'] = problemSchema
  return {
    openapi: '3.1.0',
    info: {
      title: 'Drover',
      version,
      description:
        'Runs scripts on fleets of hosts. Errors are problem+json with a stable `code`; every mutation takes an `Idempotency-Key`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of Drover: `drt_…`.' },
      },
    },
  }
}

function describe(op: Operation, schemas: Json): Json {
  const parameters = [
    ...(isScoped(op) ? [scopeName] : []),
    ...fieldsOf(op.params, 'path', schemas),
    ...fieldsOf(op.query, 'query', schemas),
    ...(op.write ? [idempotencyKey] : []),
  ]
  return {
    operationId: op.name,
    summary: op.summary,
    ...(op.description ? { description: op.description } : {}),
    ...(op.policy === 'public' ? { security: [] } : {}),
    'x-drover-policy': op.policy,
    ...(parameters.length ? { parameters } : {}),
    ...(op.body
      ? {
          requestBody: {
            required: true,
            content: op.bytes
              ? { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
              : { 'application/json': { schema: tellDefaults(toSchema(op.body, 'input', schemas)) as Json } },
          },
        }
      : {}),
    responses: { ...answers(op, schemas), ...failures(op) },
  }
}

function answers(op: Operation, schemas: Json): Json {
  const content: Json = {}
  if (op.response) content['application/json'] = { schema: toSchema(op.response, 'output', schemas) }
  // What events hold is in docs/reference/events.md: OpenAPI 3.1 has no words for a stream of them.
  for (const type of op.produces ?? [])
    content[type] = type === 'text/event-stream' ? {} : { schema: { type: 'string' } }
  return { [String(op.status ?? 200)]: { description: 'Done.', content } }
}

/** One response a status; its description names the codes. */
function failures(op: Operation): Json {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of [...op.errors, ...commonErrors(op)]) {
    const status = statusOf(new PlatformError(code, ''))
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, codes]) => [
        String(status),
        {
          description: codes.map((code) => `\`${code}\``).join(', '),
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      ]),
  )
}

function fieldsOf(object: z.ZodObject | undefined, where: 'path' | 'query', schemas: Json): Parameter[] {
  if (!object) return []
  return Object.entries(object.shape).map(([name, field]) => {
    const { description, ...schema } = toSchema(field as z.ZodType, 'output', schemas) as Json & {
      description?: string
    }
    const required = where === 'path' || !(field as z.ZodType).safeParse(undefined).success
    return { name, in: where, required, ...(description ? { description } : {}), schema }
  })
}

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  description?: string
  schema: Json
}

const scopeName: Parameter = {
  name: 'scope',
  in: 'path',
  required: true,
  description: 'Name of the scope.',
  schema: { type: 'string' },
}

const idempotencyKey: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: true,
  description: 'New for each action, the same for each repeat of it.',
  schema: { type: 'string', minLength: 1, maxLength: 128 },
}

/** JSON Schema of `schema`; what has an id of its own goes to `schemas` and is referred to. */
function toSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const {
    $schema: _version,
    $defs: defs = {},
    ...rest
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json & { $defs?: Json }
  for (const [name, definition] of Object.entries(defs)) schemas[name] = pointAtComponents(definition)
  return pointAtComponents(rest) as Json
}

/** A default of a request in words: generators take a field with a default for one that must be there. */
function tellDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tellDefaults)
  if (typeof value !== 'object' || value === null) return value
  const inner = Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, tellDefaults(item)]),
  ) as Json
  if (!('type' in inner || 'anyOf' in inner) || inner['default'] === undefined) return inner
  const { default: fallback, description = '', ...rest } = inner
  return { ...rest, description: `${String(description)} Default: ${JSON.stringify(fallback)}.`.trim() }
}

function pointAtComponents(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointAtComponents)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string'
        ? inner.replace('#/$defs/', '#/components/schemas/')
        : pointAtComponents(inner),
    ]),
  )
}

const problemSchema: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Stable; branch on it. See docs/reference/errors.md.' },
    detail: { type: 'string', description: 'What happened and what to do, for a person.' },
    requestId: { type: 'string', format: 'uuid' },
    details: { type: 'object', description: 'Facts for a program.', additionalProperties: true },
  },
}
