/** Every row of every table: where a text stands in a database, as text or as bytes. */
import type { Pool } from '../../store/postgres/pool'

/** Tables with rows that hold the text, plain or as bytes. */
export async function tablesWith(pool: Pool, text: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public' order by tablename`,
  )
  const forms = [text.toLowerCase(), Buffer.from(text).toString('hex')]
  const found: string[] = []
  for (const { name } of rows) {
    const hit = await pool.query(
      `select from ${name} as r where exists (select from unnest($1::text[]) as f where position(f in lower(r::text)) > 0) limit 1`,
      [forms],
    )
    if (hit.rowCount) found.push(name)
  }
  return found
}
