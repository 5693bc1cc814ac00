/**
 * A client that prepares every statement with parameters once a connection. Planning is most of what the short statements of
 * a launch cost: prepared ones take a third to a fifth of the time (docs/benchmarks.md).
 */
import pg from 'pg'

// Texts are constants of this code, but for filters that are put together: those could be many, and each costs the server memory.
const MOST_NAMES = 400

const names = new Map<string, string>()

/** The same for a text in all connections of this process; undefined once there are too many. */
function nameOf(text: string): string | undefined {
  const known = names.get(text)
  if (known !== undefined || names.size >= MOST_NAMES) return known
  const name = `drover_${names.size}`
  names.set(text, name)
  return name
}

type Query = (...args: unknown[]) => unknown

export class PreparedClient extends pg.Client {
  /** Prepares texts that come with their parameters beside them; one that comes as an object is planned each time. */
  override query: pg.Client['query'] = ((text: unknown, values?: unknown, ...rest: unknown[]) => {
    const ask = super.query.bind(this) as Query
    // Several statements in one text cannot be prepared, and have no parameters.
    const isPlain = typeof text === 'string' && Array.isArray(values) && values.length > 0
    const name = isPlain ? nameOf(text) : undefined
    return name === undefined ? ask(text, values, ...rest) : ask({ name, text, values }, ...rest)
  }) as pg.Client['query']
}
