/** Whether a database can be brought to the schema of this build. */
import { PlatformError } from '../../domain/errors.js'

/**
 * @param known this build's migrations, by name
 * @param done those that have run on the database
 * @returns `done` where none is left to run: a role of before may run on the schema of a newer version
 * @throws PlatformError schema_mismatch
 */
export function checkOrder(known: readonly string[], done: readonly string[]): 'done' | 'pending' {
  const pending = known.filter((name) => !done.includes(name)).sort()
  const [first] = pending
  if (first === undefined) return 'done'
  const last = [...done].sort().at(-1)
  if (last === undefined || (last < first && done.every((name) => known.includes(name)))) return 'pending'
  throw new PlatformError(
    'schema_mismatch',
    `the database was made by another line of versions: it has ${last}, and lacks ${first}; start the version that it was made by, or use an empty database`,
  )
}
