/** Methods on secrets: what is written is never read again. */
import { defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import { FleetCalls } from './fleet.js'
import { allItems } from './paging.js'
import type { NewSecret, Schemas, Secret, SecretVersion, WriteOptions } from './vocabulary.js'

export class SecretCalls extends FleetCalls {
  /** Secrets by name. */
  secrets(query: { name?: string | undefined } = {}): AsyncGenerator<Secret> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/secrets', {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after, ...query }) as object },
        }),
      ),
    )
  }

  secret(secret: string): Promise<Secret> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/secrets/{secret}', {
        params: { path: { scope: this.scope, secret } },
      }),
    )
  }

  createSecret(secret: NewSecret, options: WriteOptions = {}): Promise<Secret> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/secrets', {
        params: { path: { scope: this.scope }, header: keyOf(options) },
        body: secret,
      }),
    )
  }

  /** With all its values. @throws DroverError secret_in_use, with who uses it in `details.citations` and `details.dbAccounts` */
  deleteSecret(secret: string, options: WriteOptions = {}): Promise<Schemas['DeletedSecret']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/secrets/{secret}', {
        params: { path: { scope: this.scope, secret }, header: keyOf(options) },
      }),
    )
  }

  /** Newest first. */
  secretVersions(secret: string): AsyncGenerator<SecretVersion> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/secrets/{secret}/versions', {
          params: { path: { scope: this.scope, secret }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  /** Another value for launches from now on. */
  rotateSecret(secret: string, value: string, options: WriteOptions = {}): Promise<SecretVersion> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/secrets/{secret}/versions', {
        params: { path: { scope: this.scope, secret }, header: keyOf(options) },
        body: { value },
      }),
    )
  }

  /** `destroy` is for good. */
  changeSecretVersion(
    secret: string,
    version: number,
    change: 'enable' | 'disable' | 'destroy',
    options: WriteOptions = {},
  ): Promise<SecretVersion> {
    return dataOf(
      this.api.POST(`/api/v1/scopes/{scope}/secrets/{secret}/versions/{version}/${change}`, {
        params: { path: { scope: this.scope, secret, version }, header: keyOf(options) },
      }),
    )
  }

  /** Steps of jobs and plans, and database accounts that use it; at most 1,000 of each, `more` says whether there are others. */
  secretCitations(secret: string): Promise<Schemas['SecretCitations']> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/secrets/{secret}/citations', {
        params: { path: { scope: this.scope, secret } },
      }),
    )
  }
}
