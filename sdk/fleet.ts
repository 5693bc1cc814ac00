/** Methods on hosts, groups and join tokens. */
import { Calls, defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import { allItems } from './paging.js'
import type {
  AgentBundle,
  Group,
  GroupMember,
  Host,
  JoinToken,
  NewJoinToken,
  Schemas,
  UpgradeRequest,
  WriteOptions,
} from './vocabulary.js'

export class FleetCalls extends Calls {
  hosts(query: { target?: string; includeRevoked?: boolean } = {}): AsyncGenerator<Host> {
    const includeRevoked = query.includeRevoked ? ('true' as const) : undefined
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/hosts', {
          params: {
            path: { scope: this.scope },
            query: defined({ limit: PAGE, after, target: query.target, includeRevoked }) as object,
          },
        }),
      ),
    )
  }

  host(hostId: string): Promise<Host> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/hosts/{hostId}', {
        params: { path: { scope: this.scope, hostId } },
      }),
    )
  }

  /** Sets labels; null takes one away. */
  setHostLabels(
    hostId: string,
    labels: Record<string, string | null>,
    options: WriteOptions = {},
  ): Promise<Host> {
    return dataOf(
      this.api.PATCH('/api/v1/scopes/{scope}/hosts/{hostId}/labels', {
        params: { path: { scope: this.scope, hostId }, header: keyOf(options) },
        body: { labels },
      }),
    )
  }

  /** @param options reimaged: its disk was replaced, so that what its journal held is lost */
  revokeHost(hostId: string, options: WriteOptions & { reimaged?: boolean | undefined } = {}): Promise<Host> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/hosts/{hostId}/revoke', {
        params: {
          path: { scope: this.scope, hostId },
          header: keyOf(options),
          query: options.reimaged ? { reimaged: 'true' } : {},
        },
      }),
    )
  }

  /** Lifts a quarantine. */
  releaseHost(hostId: string, options: WriteOptions = {}): Promise<Host> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/hosts/{hostId}/release', {
        params: { path: { scope: this.scope, hostId }, header: keyOf(options) },
      }),
    )
  }

  /** Keeps a bundle of the agent. @param version what it says for `--version` */
  uploadAgent(
    version: string,
    content: Uint8Array<ArrayBuffer>,
    options: WriteOptions & { platform?: string | undefined } = {},
  ): Promise<AgentBundle> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/agent-bundles', {
        params: {
          path: { scope: this.scope },
          query: { version, ...(options.platform === undefined ? {} : { platform: options.platform }) },
          header: keyOf(options),
        },
        // The generated type of bytes is a string.
        body: content as unknown as string,
        bodySerializer: () => content,
        headers: { 'content-type': 'application/octet-stream' },
      }),
    )
  }

  /** Bundles of the agent, newest first. */
  async agentBundles(): Promise<AgentBundle[]> {
    const answer = this.api.GET('/api/v1/scopes/{scope}/agent-bundles', {
      params: { path: { scope: this.scope } },
    })
    return (await dataOf(answer)).items
  }

  /** Orders agents to change to an uploaded version; how it went is in `upgrade` of each host. */
  upgradeHosts(request: UpgradeRequest, options: WriteOptions = {}): Promise<Schemas['AgentRollout']> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/hosts/upgrade', {
        params: { path: { scope: this.scope }, header: keyOf(options) },
        body: request,
      }),
    )
  }

  /** Which hosts a target names now. */
  resolveTarget(target: string): Promise<Schemas['ResolvedTarget']> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/targets/resolve', {
        params: { path: { scope: this.scope } },
        body: { target },
      }),
    )
  }

  /** When the database was put back, newest first, and how many runs of the scope are held for it now. */
  recoveries(): Promise<Schemas['Recoveries']> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/recoveries', { params: { path: { scope: this.scope } } }),
    )
  }

  /** Resumes the oldest of the runs that are held after a restore: again while `left` is not 0. */
  resumeRecovered(options: WriteOptions = {}): Promise<Schemas['ResumedRecovered']> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/recoveries/resume', {
        params: { path: { scope: this.scope }, header: keyOf(options) },
      }),
    )
  }

  groups(): AsyncGenerator<Group> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/groups', {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  groupMembers(group: string): AsyncGenerator<GroupMember> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/groups/{group}', {
          params: { path: { scope: this.scope, group }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  /** Makes the group, or gives it exactly the hosts that the target names now. */
  putGroup(group: string, target: string, options: WriteOptions = {}): Promise<Schemas['PutGroup']> {
    return dataOf(
      this.api.PUT('/api/v1/scopes/{scope}/groups/{group}', {
        params: { path: { scope: this.scope, group }, header: keyOf(options) },
        body: { target },
      }),
    )
  }

  deleteGroup(group: string, options: WriteOptions = {}): Promise<Schemas['DeletedGroup']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/groups/{group}', {
        params: { path: { scope: this.scope, group }, header: keyOf(options) },
      }),
    )
  }

  createJoinToken(token: NewJoinToken, options: WriteOptions = {}): Promise<Schemas['NewJoinToken']> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/join-tokens', {
        params: { path: { scope: this.scope }, header: keyOf(options) },
        body: token,
      }),
    )
  }

  joinTokens(): AsyncGenerator<JoinToken> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/join-tokens', {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  revokeJoinToken(joinTokenId: string, options: WriteOptions = {}): Promise<Schemas['RevokedJoinToken']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/join-tokens/{joinTokenId}', {
        params: { path: { scope: this.scope, joinTokenId }, header: keyOf(options) },
      }),
    )
  }
}
