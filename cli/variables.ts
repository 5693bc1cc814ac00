/** `drover runs vars`: what a run's variables held, step by step. */
import type { RunVariable } from '../sdk/index.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import type { Terminal } from './terminal.js'
import { parseRun } from './values.js'

type Value = RunVariable['initial']

export async function showVariables(
  terminal: Terminal,
  run: string,
  options: { json?: true },
): Promise<void> {
  const executionId = parseRun(run)
  const items = await connect().runVariables(executionId)
  if (options.json) return terminal.json({ run: `r-${executionId}`, items })
  if (!items.length) return terminal.talk('this run has no variables')
  terminal.data(tableOf(['VARIABLE', 'SINCE', 'VALUE', 'SET BY'], items.flatMap(rowsOf)))
}

function rowsOf({ name: own, in: visit, type, initial, inputs, values }: RunVariable): string[][] {
  const name = inPlan(visit, own)
  const first = [
    name,
    'launch',
    valueText(initial),
    type === 'perHost' ? 'each host its own, once set there' : '-',
  ]
  if (type === 'hostList') {
    const given = inputs.map(({ position, value }) => [
      name,
      `step ${position + 1}`,
      namesOf(value),
      'given to its script',
    ])
    return initial === '' && given.length ? given : [first, ...given]
  }
  return [
    first,
    ...values.map(({ position, value, hostName, hosts, agreed }) => [
      name,
      `step ${position + 1}`,
      valueText(value),
      hosts === 1 ? hostName : agreed ? `${hosts} hosts` : `${hostName}, first of ${hosts} that do not agree`,
    ]),
  ]
}

/** Names of hosts, of which each has a line. */
const namesOf = (value: Value) => valueText(value).replaceAll('\n', ' ')

/** What is of a nested plan, by the step that brings it: `prepare/RELEASE`. */
export const inPlan = (visit: RunVariable['in'], name: string) => (visit ? `${visit.step}/${name}` : name)

/** On one line. */
export const valueText = (value: Value): string => (typeof value === 'string' ? value : JSON.stringify(value))
