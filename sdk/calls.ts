/** What every group of methods builds on: one connection, one scope, a key for each mutation. */
import { type ApiClient, createApiClient } from './client.js'
import type { Connection } from './transport.js'
import type { DroverOptions, WriteOptions } from './vocabulary.js'

/** Most items of a page: lists are read with few requests. */
export const PAGE = 1_000

export class Calls {
  readonly url: string
  readonly scope: string
  protected readonly connection: Connection
  protected readonly api: ApiClient

  constructor(options: DroverOptions) {
    this.url = options.url.replace(/\/+$/, '')
    this.scope = options.scope ?? 'default'
    const { token, retries = 4 } = options
    this.connection = {
      url: this.url,
      token,
      retries,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    }
    this.api = createApiClient(this.connection)
  }
}

/** The header of a mutation. */
export function keyOf(options: WriteOptions): { 'Idempotency-Key': string } {
  return { 'Idempotency-Key': options.idempotencyKey ?? crypto.randomUUID() }
}

/** Without the fields that are undefined. */
export function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>
}
