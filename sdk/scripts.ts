/** Methods on the script library. */
import { defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import { allItems } from './paging.js'
import { SecretCalls } from './secrets.js'
import type {
  NewScript,
  NewScriptVersion,
  Schemas,
  Script,
  ScriptVersion,
  ScriptVersionText,
  WriteOptions,
} from './vocabulary.js'

export interface ScriptQuery {
  /** Part of the name. */
  name?: string | undefined
  tag?: string | undefined
  language?: Script['language'] | undefined
  /** What the newest version's text has in it. */
  text?: string | undefined
}

/** @param revision the one that was seen: a change that came between is not overwritten */
interface Seen {
  revision: number
}

export class ScriptCalls extends SecretCalls {
  /** Scripts by name. */
  scripts(query: ScriptQuery = {}): AsyncGenerator<Script> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/scripts', {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after, ...query }) as object },
        }),
      ),
    )
  }

  script(script: string): Promise<Script> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/scripts/{script}', {
        params: { path: { scope: this.scope, script } },
      }),
    )
  }

  createScript(script: NewScript, options: WriteOptions = {}): Promise<Script> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/scripts', {
        params: { path: { scope: this.scope }, header: keyOf(options) },
        body: script,
      }),
    )
  }

  changeScript(
    script: string,
    change: Seen & { description?: string; tags?: string[] },
    options: WriteOptions = {},
  ): Promise<Script> {
    return dataOf(
      this.api.PATCH('/api/v1/scopes/{scope}/scripts/{script}', {
        params: { path: { scope: this.scope, script }, header: keyOf(options) },
        body: change,
      }),
    )
  }

  deleteScript(script: string, options: WriteOptions = {}): Promise<Schemas['DeletedScript']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/scripts/{script}', {
        params: { path: { scope: this.scope, script }, header: keyOf(options) },
      }),
    )
  }

  /** Newest first, without their texts. */
  scriptVersions(script: string): AsyncGenerator<ScriptVersion> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/scripts/{script}/versions', {
          params: { path: { scope: this.scope, script }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  scriptVersion(script: string, version: number): Promise<ScriptVersionText> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}', {
        params: { path: { scope: this.scope, script, version } },
      }),
    )
  }

  createScriptVersion(
    script: string,
    version: NewScriptVersion,
    options: WriteOptions = {},
  ): Promise<ScriptVersion> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/scripts/{script}/versions', {
        params: { path: { scope: this.scope, script }, header: keyOf(options) },
        body: version,
      }),
    )
  }

  /** Another text for a draft. @throws DroverError edit_conflict, with what is there now in `details.current` */
  editScriptVersion(
    script: string,
    version: number,
    change: Seen & { content: string; note?: string },
    options: WriteOptions = {},
  ): Promise<ScriptVersion> {
    return dataOf(
      this.api.PUT('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}', {
        params: { path: { scope: this.scope, script, version }, header: keyOf(options) },
        body: change,
      }),
    )
  }

  /** It goes online; the version that was goes offline. @param seen only if that is its revision still */
  publishScriptVersion(
    script: string,
    version: number,
    seen: Partial<Seen> = {},
    options: WriteOptions = {},
  ): Promise<ScriptVersion> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}/publish', {
        params: { path: { scope: this.scope, script, version }, header: keyOf(options) },
        body: seen,
      }),
    )
  }

  /** For good: nothing that names it starts any more. */
  disableScriptVersion(script: string, version: number, options: WriteOptions = {}): Promise<ScriptVersion> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}/disable', {
        params: { path: { scope: this.scope, script, version }, header: keyOf(options) },
      }),
    )
  }

  /** Steps of jobs and plans that use it; at most 1,000, `more` says whether there are others. */
  scriptCitations(script: string): Promise<Schemas['ScriptCitations']> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/scripts/{script}/citations', {
        params: { path: { scope: this.scope, script } },
      }),
    )
  }

  /** Lets jobs that name another version name this one. @param sync jobs: all of them if left out */
  syncScript(
    script: string,
    sync: { to: number; jobs?: string[] },
    options: WriteOptions = {},
  ): Promise<Schemas['SyncedJobs']> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/scripts/{script}/sync', {
        params: { path: { scope: this.scope, script }, header: keyOf(options) },
        body: sync,
      }),
    )
  }

  deleteScriptVersion(
    script: string,
    version: number,
    options: WriteOptions = {},
  ): Promise<Schemas['DeletedScriptVersion']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}', {
        params: { path: { scope: this.scope, script, version }, header: keyOf(options) },
      }),
    )
  }
}
