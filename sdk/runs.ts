/** What is known of runs: their steps and hosts, what they did, and how they differ. */
import { defined, PAGE } from './calls.js'
import { dataOf } from './client.js'
import { DroverError } from './error.js'
import { allItems, allPages } from './paging.js'
import { SearchCalls } from './search.js'
import { get } from './transport.js'
import type {
  ComparedGroup,
  Execution,
  ExecutionDetail,
  ExecutionState,
  GroupKey,
  Grouping,
  HostResult,
  HostState,
  LaunchAgain,
  Operation,
  OutputGroup,
  OutputGroups,
  RunVariable,
  StepScript,
  UndoPreview,
  Verdict,
} from './vocabulary.js'

export class RunCalls extends SearchCalls {
  execution(executionId: string): Promise<ExecutionDetail> {
    return dataOf(this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}', this.at(executionId)))
  }

  /** Newest first. */
  executions(query: { states?: readonly ExecutionState[] } = {}): AsyncGenerator<Execution> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/executions', {
          params: {
            path: { scope: this.scope },
            query: defined({ limit: 100, after, state: query.states?.join(',') }) as object,
          },
        }),
      ),
    )
  }

  /** Every host's result in a step, in the order of the target. */
  executionHosts(
    executionId: string,
    step: number,
    query: { states?: readonly HostState[]; tag?: string | undefined } = {},
  ): AsyncGenerator<HostResult> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/hosts', {
          params: {
            path: { scope: this.scope, executionId, position: step },
            query: defined({ limit: PAGE, after, state: query.states?.join(','), tag: query.tag }) as object,
          },
        }),
      ),
    )
  }

  /** What the variables of a run held, step by step. */
  async runVariables(executionId: string): Promise<RunVariable[]> {
    const answer = this.api.GET(
      '/api/v1/scopes/{scope}/executions/{executionId}/variables',
      this.at(executionId),
    )
    return (await dataOf(answer)).items
  }

  /** All that was said of a host in a step, oldest first: the end of each attempt, and what became known later. */
  async verdicts(executionId: string, step: number, hostId: string): Promise<Verdict[]> {
    const path = { scope: this.scope, executionId, position: step, hostId }
    const answer = this.api.GET(
      '/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/hosts/{hostId}/verdicts',
      { params: { path } },
    )
    return (await dataOf(answer)).items
  }

  /** All groups of a step's hosts, by equal outcome and output (or state and tag), largest first. */
  async outputGroups(executionId: string, step: number, by?: GroupKey): Promise<OutputGroup[]> {
    const groups: OutputGroup[] = []
    const pages = allPages((after) => this.outputGroupsPage(executionId, step, { by, limit: PAGE, after }))
    for await (const page of pages) groups.push(...page.groups)
    return groups
  }

  /** The first groups, or those after them, and how many there are. */
  outputGroupsPage(
    executionId: string,
    step: number,
    query: { by?: GroupKey | undefined; limit?: number | undefined; after?: string | undefined } = {},
  ): Promise<OutputGroups> {
    const path = { scope: this.scope, executionId, position: step }
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/groups', {
        params: { path, query: defined(query) as object },
      }),
    )
  }

  async operations(executionId: string): Promise<Operation[]> {
    const answer = this.api.GET(
      '/api/v1/scopes/{scope}/executions/{executionId}/operations',
      this.at(executionId),
    )
    return (await dataOf(answer)).items
  }

  /** The text that a step runs, as it was frozen at the launch; or that of a host's attempt, its latest if none is named. */
  stepScript(
    executionId: string,
    step: number,
    of: { hostId?: string; attempt?: number } = {},
  ): Promise<StepScript> {
    const path = { scope: this.scope, executionId, position: step }
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/script', {
        params: { path, query: defined({ ...of }) as object },
      }),
    )
  }

  /** What an undo would begin now, and on which hosts; nothing is started. */
  previewUndo(executionId: string): Promise<UndoPreview> {
    return dataOf(this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/undo', this.at(executionId)))
  }

  /** A launch that does the same again: edit it, or not, and give it to `launch`. @param of sameHosts: on exactly the hosts that it had */
  launchAgain(executionId: string, of: { sameHosts?: boolean } = {}): Promise<LaunchAgain> {
    const query = of.sameHosts ? { sameHosts: 'true' as const } : {}
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/launch', {
        params: { path: { scope: this.scope, executionId }, query },
      }),
    )
  }

  /** What became of the hosts in a step, beside a step of another run (`before`); groups of hosts, largest first. */
  async compareSteps(
    after: { executionId: string; step: number },
    before: { executionId: string; step: number },
    by?: Grouping,
  ): Promise<ComparedGroup[]> {
    const path = { scope: this.scope, executionId: after.executionId, position: after.step }
    const query = { with: before.executionId, step: before.step, ...(by === undefined ? {} : { by }) }
    const answer = this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/compare', {
      params: { path, query },
    })
    return (await dataOf(answer)).groups
  }

  /** A row for each host of each step, as bytes of JSON Lines or CSV. */
  async *exportResults(executionId: string, format: 'jsonl' | 'csv'): AsyncGenerator<Uint8Array> {
    const path = `${this.root()}/executions/${executionId}/results?format=${format}`
    const { body } = await get(this.connection, path, {})
    try {
      if (body) yield* body
    } catch (cause) {
      const detail = 'the export ended before all rows had come: ask for it again'
      throw new DroverError({ code: 'unavailable', status: 0, detail, cause })
    }
  }

  protected at(executionId: string) {
    return { params: { path: { scope: this.scope, executionId } } }
  }

  protected root(): string {
    return `/api/v1/scopes/${encodeURIComponent(this.scope)}`
  }
}
