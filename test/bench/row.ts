/** A row of the bench: one figure, what it must be, and how far it spread while it was taken. */

export interface Bound {
  op: '<=' | '>='
  value: number
}

export interface Row {
  group: string
  /** What was measured, with its percentile if it is one. */
  name: string
  unit: string
  /** Samples behind the value. */
  n: number
  value: number
  /** The smallest and largest value that parts of the samples gave. */
  spread: [number, number]
  must?: Bound
  aim?: number
  /** Whether `must` holds; true without one. */
  ok: boolean
  hosts: 'real' | 'simulated' | 'none'
  /** Who flushes what it commits: the embedded Temporal does not (stack/embedded/temporal.ts). */
  fsync: 'all but Temporal'
}

export type Measured = Omit<Row, 'group' | 'ok' | 'fsync' | 'spread'> & { spread?: [number, number] }

/** The row, rounded to three digits. @param group that it belongs to */
export function makeRow(group: string, measured: Measured): Row {
  const { must, value, spread = [value, value] } = measured
  const ok = must === undefined || (must.op === '<=' ? value <= must.value : value >= must.value)
  return {
    group,
    ...measured,
    value: threeDigits(value),
    spread: [threeDigits(spread[0]), threeDigits(spread[1])],
    ok,
    fsync: 'all but Temporal',
  }
}

export function threeDigits(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3))
}

/** One line for people. */
export function describeRow({ name, unit, n, value, spread, must, aim }: Row): string {
  const [low, high] = spread
  const facts = [
    name.padEnd(62),
    `${value} ${unit}`.padStart(14),
    low === high ? '' : `${low} to ${high}`,
    n === 1 ? '' : `n ${n}`,
    must ? `must ${must.op} ${must.value}` : '',
    aim === undefined ? '' : `aim ${aim}`,
  ]
  return facts.filter(Boolean).join(' · ')
}
