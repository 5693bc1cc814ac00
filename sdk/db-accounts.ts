/** Methods on database accounts. */
import { defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import { JobCalls } from './jobs.js'
import { allItems } from './paging.js'
import type { DbAccount, DbAccountContent, Schemas, WriteOptions } from './vocabulary.js'

export class DbAccountCalls extends JobCalls {
  dbAccounts(): AsyncGenerator<DbAccount> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/db-accounts', {
          params: { path: { scope: this.scope }, query: defined({ limit: PAGE, after }) as object },
        }),
      ),
    )
  }

  dbAccount(dbAccount: string): Promise<DbAccount> {
    return dataOf(
      this.api.GET('/api/v1/scopes/{scope}/db-accounts/{dbAccount}', {
        params: { path: { scope: this.scope, dbAccount } },
      }),
    )
  }

  /** @throws DroverError name_taken without `revision`, edit_conflict with an older one */
  putDbAccount(dbAccount: string, content: DbAccountContent, options: WriteOptions = {}): Promise<DbAccount> {
    return dataOf(
      this.api.PUT('/api/v1/scopes/{scope}/db-accounts/{dbAccount}', {
        params: { path: { scope: this.scope, dbAccount }, header: keyOf(options) },
        body: content,
      }),
    )
  }

  deleteDbAccount(dbAccount: string, options: WriteOptions = {}): Promise<Schemas['DeletedDbAccount']> {
    return dataOf(
      this.api.DELETE('/api/v1/scopes/{scope}/db-accounts/{dbAccount}', {
        params: { path: { scope: this.scope, dbAccount }, header: keyOf(options) },
      }),
    )
  }
}
