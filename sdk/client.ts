/** The generated contract as a client: paths, parameters and bodies are checked by the compiler. */
import createClient, { type Client } from 'openapi-fetch'
import { errorOf } from './error.js'
import type { paths } from './generated/schema.js'
import { type Connection, send } from './transport.js'

export type ApiClient = Client<paths>

export function createApiClient(connection: Connection): ApiClient {
  return createClient<paths>({
    baseUrl: connection.url,
    headers: { authorization: `Bearer ${connection.token}` },
    fetch: (request) => send(connection, request),
  })
}

/** The data of an answer. @throws DroverError if it is an error */
export async function dataOf<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await call
  if (data !== undefined && response.ok) return data
  throw errorOf(response.status, error)
}
