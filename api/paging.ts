/** Paging: cursors that clients hand back unread, and the shape of every list. */
import { z } from 'zod'
import { PlatformError } from '../domain/errors.js'

export const LIMIT_MAX = 1_000
const LIMIT_DEFAULT = 100

/** A whole number in a query. */
export function queryInteger(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
}

export const queryFlag = z.enum(['true', 'false']).transform((text) => text === 'true')

export const pageQuery = z.strictObject({
  after: z.string().max(500).optional().describe('The `next` of the page before.'),
  limit: queryInteger(1, LIMIT_MAX).default(LIMIT_DEFAULT).describe('Most items of one page.'),
})

/** A page of `item`; `next` is null on the last one. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().describe('Give it as `after` for the next page.'),
  })
}

/** Whether a cursor could be a name that people gave. */
export const isNameCursor = (text: string) => text.length < 100 && !text.includes('\0')

/** @param kind keeps a cursor of one list from being taken by another */
export function encodeCursor(kind: string, position: string): string {
  return Buffer.from(`${kind}:${position}`).toString('base64url')
}

/** @throws PlatformError cursor_invalid */
export function decodeCursor(
  kind: string,
  cursor: string | undefined,
  valid: (position: string) => boolean,
): string | undefined {
  if (cursor === undefined) return undefined
  const text = Buffer.from(cursor, 'base64url').toString()
  const position = text.startsWith(`${kind}:`) ? text.slice(kind.length + 1) : undefined
  if (position === undefined || !valid(position)) {
    throw new PlatformError(
      'cursor_invalid',
      '`after` is not a cursor of this list; give the `next` of its last page, or leave it out',
    )
  }
  return position
}

/** The page of `rows`, of which the caller asked for one more than `limit`. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorOf: (row: Row) => string,
): { items: Item[]; next: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(toItem), next: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}
