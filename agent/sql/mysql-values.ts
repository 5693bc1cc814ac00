/** Values of MySQL and MariaDB as text, by what their column says of itself. */
import { type FieldPacket, Types } from 'mysql2'
import type { Column, Kind, Value } from './format.js'

/** What mysql2 tells of a column beyond its types; the extended names come from MariaDB. */
interface Definition extends FieldPacket {
  extendedFormat?: string
  extendedTypeName?: string
  characterSet?: number
  columnType?: number
}

const BINARY = 63
const numbers: readonly (number | undefined)[] = [
  Types.TINY,
  Types.SHORT,
  Types.INT24,
  Types.LONG,
  Types.YEAR,
  Types.FLOAT,
  Types.DOUBLE,
]
// Bytes, if their character set is `binary`; others of that set (dates, numbers) are text.
const strings: readonly (number | undefined)[] = [
  Types.VARCHAR,
  Types.VAR_STRING,
  Types.STRING,
  Types.TINY_BLOB,
  Types.MEDIUM_BLOB,
  Types.LONG_BLOB,
  Types.BLOB,
]
const alwaysBytes: readonly (number | undefined)[] = [Types.BIT, Types.GEOMETRY, 242]

function isJson({ extendedFormat, columnType }: Definition): boolean {
  return columnType === Types.JSON || extendedFormat === 'json'
}

function isBytes(field: Definition): boolean {
  if (isJson(field)) return false
  const { columnType, characterSet, extendedTypeName } = field
  if (alwaysBytes.includes(columnType)) return true
  const isText = extendedTypeName !== undefined && /^(uuid|inet[46])$/.test(extendedTypeName)
  return characterSet === BINARY && strings.includes(columnType) && !isText
}

function kindOf(field: Definition): Kind {
  if (isJson(field)) return 'json'
  return numbers.includes(field.columnType) ? 'number' : 'text'
}

export function columnsOf(fields: readonly FieldPacket[]): Column[] {
  return fields.map((field) => ({ name: field.name, kind: kindOf(field) }))
}

/** How each column's values become text. */
export function renderersOf(fields: readonly FieldPacket[]): ((value: Buffer | null) => Value)[] {
  return fields.map((field) => (value) => {
    if (value === null) return null
    return isBytes(field) ? `\\x${value.toString('hex')}` : value.toString('utf8')
  })
}
