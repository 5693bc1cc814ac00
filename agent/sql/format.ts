/** Rows as text: one way of writing a value for each format, such that no two values look the same within a column. */

export type Format = 'tsv' | 'csv' | 'jsonl'
export const formats: readonly Format[] = ['tsv', 'csv', 'jsonl']

/** What a column holds, as far as a format tells it apart: `number` is one that any reader of JSON takes without loss. */
export type Kind = 'text' | 'number' | 'boolean' | 'json'

export interface Column {
  name: string
  kind: Kind
}

/** A value as the server writes it; bytes are `\x` and hexadecimal digits. */
export type Value = string | null

interface Writer {
  header(columns: readonly Column[]): string
  row(values: readonly Value[], columns: readonly Column[]): string
}

const escapes: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\\0' }
// oxlint-disable-next-line no-control-regex
const special = /[\\\t\n\r\0]/
const tabbed = (text: string) =>
  special.test(text) ? text.replaceAll(/[\\\t\n\r\0]/g, (one) => escapes[one] ?? one) : text
const tabbedValue = (value: Value) => (value === null ? '\\N' : tabbed(value))

// An empty field is NULL; the empty string is quoted.
const quoted = (text: string) =>
  text === '' || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
const csvValue = (value: Value) => (value === null ? '' : quoted(value))

const writers: Record<Format, Writer> = {
  tsv: {
    header: (columns) => `${columns.map((column) => tabbed(column.name)).join('\t')}\n`,
    row: (values) => `${values.map(tabbedValue).join('\t')}\n`,
  },
  csv: {
    header: (columns) => `${columns.map((column) => quoted(column.name)).join(',')}\n`,
    row: (values) => `${values.map(csvValue).join(',')}\n`,
  },
  jsonl: {
    header: () => '',
    row: (values, columns) =>
      `{${values.map((value, at) => `${JSON.stringify(columns[at]?.name ?? '')}:${jsonValue(value, columns[at]?.kind)}`).join(',')}}\n`,
  },
}

function jsonValue(value: Value, kind: Kind | undefined): string {
  if (value === null) return 'null'
  if (kind === 'number' && /^-?\d/.test(value) && Number.isFinite(Number(value)))
    return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(value) ? value : String(Number(value))
  if (kind === 'boolean') return value === 't' ? 'true' : 'false'
  // White space between its parts may be line ends; within its strings it cannot.
  if (kind === 'json') return value.replaceAll(/[\n\r]/g, ' ')
  return JSON.stringify(value)
}

/** Names that are each there once, as an object of JSON needs them: a second `id` is `id_2`. */
export function distinct(columns: readonly Column[]): Column[] {
  const taken = new Set<string>()
  return columns.map((column) => {
    let name = column.name
    for (let n = 2; taken.has(name); n++) name = `${column.name}_${n}`
    taken.add(name)
    return { ...column, name }
  })
}

/** Result sets of a run, one after another. In tsv and csv each begins with its header, and an empty line stands between two. */
export class ResultText {
  private readonly writer: Writer
  private readonly isJson: boolean
  private columns: readonly Column[] = []
  private sets = 0

  constructor(format: Format) {
    this.writer = writers[format]
    this.isJson = format === 'jsonl'
  }

  begin(columns: readonly Column[]): string {
    this.columns = this.isJson ? distinct(columns) : columns
    const gap = this.sets > 0 && !this.isJson ? '\n' : ''
    this.sets += 1
    return gap + this.writer.header(this.columns)
  }

  row(values: readonly Value[]): string {
    return this.writer.row(values, this.columns)
  }
}
