/** Parsing what a client sent, strictly: the first faults are told with their paths. */
import type { z } from 'zod'
import { PlatformError } from '../domain/errors.js'
import { cutText, deepTextFault } from '../domain/text.js'

const FAULTS_TOLD = 5
// Of one fault: it may name as many fields as the client sent.
const FAULT_TEXT_MAX = 300

/**
 * @param where `body`, `query` or `path`: said in the message
 * @throws PlatformError request_invalid, text_invalid
 */
export function parsePart(schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, FAULTS_TOLD).map((issue) => ({
      path: [
        where,
        ...issue.path.map(String),
        ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []),
      ]
        .map((part) => cutText(part, FAULT_TEXT_MAX))
        .join('.'),
      message: cutText(issue.message, FAULT_TEXT_MAX),
    }))
    const text = faults.map((fault) => `${fault.path}: ${fault.message}`).join('; ')
    throw new PlatformError('request_invalid', text.slice(0, 2_000), { details: { faults } })
  }
  refuseBadText(value, where)
  return parsed.data
}

/** @throws PlatformError text_invalid */
export function refuseBadText(value: unknown, where: string): void {
  const fault = deepTextFault(value, where)
  if (fault) throw new PlatformError('text_invalid', `${fault}; text must be storable, send bytes as a file`)
}

/** The query, each name once; a name given twice becomes a list, which no schema of ours takes. */
export function queryOf(url: string): Record<string, string | string[]> {
  const search = new URL(url, 'http://localhost').searchParams
  return Object.fromEntries(
    [...new Set(search.keys())].map((key) => {
      const values = search.getAll(key)
      return [key, values.length === 1 ? (values[0] ?? '') : values]
    }),
  )
}
