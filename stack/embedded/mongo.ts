/** The embedded Mongo wire: FerretDB, with its documents in our PostgreSQL. */
import { MongoClient } from 'mongodb'
import { Client } from 'pg'
import type { ChildSpec } from '../supervise/child.js'
import { privateFolder } from './data.js'

export interface MongoOptions {
  program: string
  data: string
  port: number
  /** The database that keeps the documents. */
  postgresUrl: string
}

export function mongoSpec(options: MongoOptions): { spec: ChildSpec; url: string } {
  const url = `mongodb://127.0.0.1:${options.port}/drover`
  const spec: ChildSpec = {
    name: 'mongo',
    command: options.program,
    args: ['--listen', `127.0.0.1:${options.port}`],
    env: { PATH: process.env['PATH'], FERRETDB_POSTGRESQL_URL: options.postgresUrl },
    // It leaves a state file where it runs.
    cwd: privateFolder(options.data, 'mongo'),
    graceMs: 3_000,
    isReady: () => answers(url),
  }
  return { spec, url }
}

async function answers(url: string): Promise<boolean> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 500 })
  try {
    await client.db('drover').command({ hello: 1 })
    return true
  } finally {
    await client.close()
  }
}

// FerretDB looks for a field's value by `_jsonb->'field' @> value`, which the B-trees that it makes cannot serve: each question
// would look through the whole collection. Beside each of its indexes on one field this makes one that can.
const CONTAINMENT_INDEXES = `
-- Two stacks may start on one server at the same moment.
select pg_advisory_xact_lock(hashtext('drover_on_index'));

create or replace function public.drover_add_containment_index(made regclass) returns void language plpgsql as $$
declare
  field text := pg_get_indexdef(made, 1, true);
  collection regclass;
begin
  select i.indrelid into collection
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where i.indexrelid = made and a.amname = 'btree' and i.indnatts = 1;
  if collection is null or field not like '(_jsonb -> %::text)' then return; end if;
  if exists (
    select from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
      where i.indrelid = collection and a.amname = 'gin' and pg_get_indexdef(i.indexrelid, 1, true) = field
  ) then return; end if;
  execute format('create index on %s using gin (%s jsonb_path_ops) with (fastupdate = off)', collection, field);
end $$;

create or replace function public.drover_on_index() returns event_trigger language plpgsql as $$
begin
  perform public.drover_add_containment_index(objid::regclass) from pg_event_trigger_ddl_commands() where object_type = 'index';
end $$;

drop event trigger if exists drover_on_index;
create event trigger drover_on_index on ddl_command_end when tag in ('CREATE INDEX') execute function public.drover_on_index();

-- The field comes as a parameter, so only a plan for its value finds the index. And PostgreSQL cannot know how much is read
-- for a look through a collection: the documents lie beside it, compressed.
do $$ begin
  execute format('alter database %I set plan_cache_mode = force_custom_plan', current_database());
  execute format('alter database %I set enable_seqscan = off', current_database());
  execute format('alter database %I set jit = off', current_database());
end $$;
`

// Of collections from before: one after another, each kept when it is made.
const MADE_BEFORE = `select indexrelid::text as made from pg_index where indrelid in (select attrelid from pg_attribute where attname = '_jsonb')`

const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Lets FerretDB find documents by the fields that are indexed.
 * @param postgresUrl the database that keeps its documents
 * @returns false where this login may not (a PostgreSQL of your own, not as superuser): it works, and is slow
 */
export async function indexContainment(postgresUrl: string): Promise<boolean> {
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    await client.query(CONTAINMENT_INDEXES)
    const { rows } = await client.query<{ made: string }>(MADE_BEFORE)
    for (const { made } of rows)
      await client.query('select public.drover_add_containment_index($1::oid::regclass)', [made])
    return true
  } catch (error) {
    if ((error as { code?: string }).code === INSUFFICIENT_PRIVILEGE) return false
    throw error
  } finally {
    await client.end()
  }
}
