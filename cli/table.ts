/** Columns for people; a program reads --json. */
import Table from 'cli-table3'
import { harmless } from './terminal.js'

const blank = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** `rows` under `head`, without lines between them. */
export function tableOf(
  head: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const table = new Table({
    chars: blank,
    head: [...head],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push(row.map((cell) => harmless(String(cell ?? '-'))))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
