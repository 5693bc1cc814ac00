/** GET /executions/{executionId}/results: every host's result of every step in one answer, for spreadsheets and programs. */
import { once } from 'node:events'
import type { Response } from 'express'
import { z } from 'zod'
import { type Cell, csvLine } from '../../domain/csv.js'
import { listSteps, type StepExecution } from '../../store/postgres/executions.js'
import { type HostResult, listHostResults } from '../../store/postgres/host-results.js'
import type { Pool } from '../../store/postgres/pool.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams, hostResultView } from './schema.js'

const PAGE = 1_000

const columns = [
  'step',
  'stepName',
  'hostId',
  'hostName',
  'position',
  'attempt',
  'state',
  'started',
  'reason',
  'detail',
  'exitCode',
  'signal',
  'startedAt',
  'endedAt',
  'durationMs',
  'stdoutBytes',
  'stderrBytes',
  'truncated',
  'tag',
  'resolvedAt',
  'scriptSha256',
  'undoes',
] as const
type Row = Record<(typeof columns)[number], Cell>

const formats = {
  jsonl: { type: 'application/x-ndjson', head: '', line: (row: Row) => `${JSON.stringify(row)}\n` },
  csv: {
    type: 'text/csv; charset=utf-8',
    head: csvLine(columns),
    line: (row: Row) => csvLine(columns.map((column) => row[column])),
  },
}

export const exportResults = operation({
  name: 'export-results',
  method: 'get',
  path: '/executions/{executionId}/results',
  policy: 'execution.read',
  summary: "Export a run's host results",
  description:
    'A row for each host of each step, of an undo with the position of the step that it takes back, as JSON Lines or CSV with a head line. In CSV an apostrophe stands before text that a spreadsheet would take for a formula.',
  params: executionParams,
  query: z.strictObject({ format: z.enum(['jsonl', 'csv']).default('jsonl') }),
  produces: ['application/x-ndjson', 'text/csv'],
  errors: ['execution_unknown'],
  async stream({ services: { pool }, scope, params, query, ended }, response) {
    const { id } = await mustFindExecution(pool, scope.id, params.executionId)
    const steps = await listSteps(pool, scope.id, id)
    const { type, head, line } = formats[query.format]
    response.setHeader('content-type', type)
    response.setHeader('cache-control', 'no-store')
    response.setHeader('content-disposition', `attachment; filename="r-${id}.${query.format}"`)
    if (response.req.method === 'HEAD') return void response.end()
    await send(response, head, ended)
    for (const step of steps) {
      const key = { scopeId: scope.id, executionId: id, stepExecutionId: step.id }
      for await (const results of pagesOf(pool, key))
        await send(response, results.map((result) => line(rowOf(step, result))).join(''), ended)
    }
    response.end()
  },
})

async function* pagesOf(
  pool: Pool,
  step: Parameters<typeof listHostResults>[1],
): AsyncGenerator<HostResult[]> {
  for (let after = -1; ; ) {
    const results = await listHostResults(pool, step, { after, limit: PAGE })
    yield results
    const last = results.at(-1)
    if (!last || results.length < PAGE) return
    after = last.position
  }
}

function rowOf(step: StepExecution, result: HostResult): Row {
  return { step: step.position, stepName: step.name, ...hostResultView(result), undoes: step.undoes }
}

async function send(response: Response, text: string, ended: AbortSignal): Promise<void> {
  ended.throwIfAborted()
  if (text && !response.write(text)) await once(response, 'drain', { signal: ended })
}
