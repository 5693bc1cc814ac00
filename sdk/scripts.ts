/** Methods on the script library; `public/deploy` is a script that all scopes share. */
import { defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import type { paths } from './generated/schema.js'
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
  /** Those that all scopes share, instead of the scope's own. */
  public?: boolean | undefined
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

const PUBLIC = 'public/'

/** The public library has the operations of a scope's own, under another path. */
function inPublic<P extends keyof paths>(path: P): P {
  return path.replace('/scripts', '/public-scripts') as P
}

/** Where the operation on a script is, and what the script is called there. @param used `deploy`, `public/deploy` */
function placeOf<P extends keyof paths>(path: P, used: string): [path: P, name: string] {
  return used.startsWith(PUBLIC) ? [inPublic(path), used.slice(PUBLIC.length)] : [path, used]
}

export class ScriptCalls extends SecretCalls {
  /** Scripts by name. */
  scripts({ public: isPublic, ...query }: ScriptQuery = {}): AsyncGenerator<Script> {
    const own = '/api/v1/scopes/{scope}/scripts' as const
    const path = isPublic ? inPublic(own) : own
    return allItems((after) =>
      dataOf(
        this.api.GET(path, {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after, ...query }) as object },
        }),
      ),
    )
  }

  script(script: string): Promise<Script> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}', script)
    return dataOf(
      this.api.GET(path, {
        params: { path: { scope: this.scope, script: name } },
      }),
    )
  }

  createScript(script: NewScript, options: WriteOptions = {}): Promise<Script> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts', script.name)
    return dataOf(
      this.api.POST(path, {
        params: { path: { scope: this.scope }, header: keyOf(options) },
        body: { ...script, name },
      }),
    )
  }

  changeScript(
    script: string,
    change: Seen & { description?: string; tags?: string[] },
    options: WriteOptions = {},
  ): Promise<Script> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}', script)
    return dataOf(
      this.api.PATCH(path, {
        params: { path: { scope: this.scope, script: name }, header: keyOf(options) },
        body: change,
      }),
    )
  }

  deleteScript(script: string, options: WriteOptions = {}): Promise<Schemas['DeletedScript']> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}', script)
    return dataOf(
      this.api.DELETE(path, {
        params: { path: { scope: this.scope, script: name }, header: keyOf(options) },
      }),
    )
  }

  /** Newest first, without their texts. */
  scriptVersions(script: string): AsyncGenerator<ScriptVersion> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions', script)
    return allItems((after) =>
      dataOf(
        this.api.GET(path, {
          params: {
            path: { scope: this.scope, script: name },
            query: defined({ limit: PAGE, after }) as object,
          },
        }),
      ),
    )
  }

  scriptVersion(script: string, version: number): Promise<ScriptVersionText> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}', script)
    return dataOf(
      this.api.GET(path, {
        params: { path: { scope: this.scope, script: name, version } },
      }),
    )
  }

  createScriptVersion(
    script: string,
    version: NewScriptVersion,
    options: WriteOptions = {},
  ): Promise<ScriptVersion> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions', script)
    return dataOf(
      this.api.POST(path, {
        params: { path: { scope: this.scope, script: name }, header: keyOf(options) },
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
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}', script)
    return dataOf(
      this.api.PUT(path, {
        params: { path: { scope: this.scope, script: name, version }, header: keyOf(options) },
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
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}/publish', script)
    return dataOf(
      this.api.POST(path, {
        params: { path: { scope: this.scope, script: name, version }, header: keyOf(options) },
        body: seen,
      }),
    )
  }

  /** For good: nothing that names it starts any more. */
  disableScriptVersion(script: string, version: number, options: WriteOptions = {}): Promise<ScriptVersion> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}/disable', script)
    return dataOf(
      this.api.POST(path, {
        params: { path: { scope: this.scope, script: name, version }, header: keyOf(options) },
      }),
    )
  }

  /** Steps of jobs and plans that use it; at most 1,000, `more` says whether there are others. */
  scriptCitations(script: string): Promise<Schemas['ScriptCitations']> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/citations', script)
    return dataOf(
      this.api.GET(path, {
        params: { path: { scope: this.scope, script: name } },
      }),
    )
  }

  /** Lets jobs that name another version name this one. @param sync jobs: all of them if left out */
  syncScript(
    script: string,
    sync: { to: number; jobs?: string[] },
    options: WriteOptions = {},
  ): Promise<Schemas['SyncedJobs']> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/sync', script)
    return dataOf(
      this.api.POST(path, {
        params: { path: { scope: this.scope, script: name }, header: keyOf(options) },
        body: sync,
      }),
    )
  }

  deleteScriptVersion(
    script: string,
    version: number,
    options: WriteOptions = {},
  ): Promise<Schemas['DeletedScriptVersion']> {
    const [path, name] = placeOf('/api/v1/scopes/{scope}/scripts/{script}/versions/{version}', script)
    return dataOf(
      this.api.DELETE(path, {
        params: { path: { scope: this.scope, script: name, version }, header: keyOf(options) },
      }),
    )
  }
}
