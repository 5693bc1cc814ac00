/** Rows as CSV (RFC 4180), safe to open in a spreadsheet. */

export type Cell = string | number | boolean | null

/** What a spreadsheet would take for a formula: text of hosts must not run on the desk of whoever opens it. */
const FORMULA = /^[=+\-@\t\r\n]/

/** One line, with its break. An apostrophe is put before text that would be a formula. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(',')}\r\n`
}

function cellText(cell: Cell): string {
  if (typeof cell !== 'string') return cell === null ? '' : String(cell)
  const text = FORMULA.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
