/** Search in a run's output. */
import { defined } from './calls.js'
import { dataOf } from './client.js'
import { DbAccountCalls } from './db-accounts.js'
import { allPages } from './paging.js'
import type { SearchCounts, SearchHits } from './vocabulary.js'

export interface SearchQuery {
  text: string
  /** `text` is a regular expression in RE2's syntax. */
  regex?: boolean | undefined
  ignoreCase?: boolean | undefined
  /** Position of one step, from 0; all of them if left out. */
  step?: number | undefined
  hostId?: string | undefined
  /** Most hits of one page. */
  limit?: number | undefined
}

/** A page comes after a second of search at the latest, also without an item. */
export class SearchCalls extends DbAccountCalls {
  /** The lines that match, page by page, in the order of steps, hosts, streams and lines. */
  searchOutput(executionId: string, query: SearchQuery): AsyncGenerator<SearchHits> {
    return allPages((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/search', {
          params: { path: { scope: this.scope, executionId }, query: queryOf(query, after) },
        }),
      ),
    )
  }

  /** How many lines match on each host that has one, page by page. */
  countMatches(executionId: string, query: Omit<SearchQuery, 'limit'>): AsyncGenerator<SearchCounts> {
    return allPages((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/search/counts', {
          params: { path: { scope: this.scope, executionId }, query: queryOf(query, after) },
        }),
      ),
    )
  }
}

function queryOf({ text, regex, ignoreCase, step, hostId, limit }: SearchQuery, after: string | undefined) {
  const fields = {
    regex: regex && 'true',
    ignoreCase: ignoreCase && 'true',
    step,
    host: hostId,
    limit,
    after,
  }
  return { q: text, ...defined(fields) } as { q: string }
}
