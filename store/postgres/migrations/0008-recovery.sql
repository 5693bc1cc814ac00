-- A database that was put back to an older state gives ids out again and has forgotten what ran since: docs/operations/restore.md.

-- Each worker moves a row of its own here. A row that is older than what its worker was once answered, or that is gone, shows
-- that the database was put back.
create table ledger_beat (
  scope_id bigint not null references scope,
  worker uuid not null,
  beat bigint not null,
  beat_at timestamptz not null default now(),
  primary key (scope_id, worker)
);
create index ledger_beat_newest on ledger_beat (beat_at desc);
comment on table ledger_beat is 'workers serve every scope; their rows stand in the first one';

-- One row for each time that the database was found, or said, to have been put back.
create table recovery (
  scope_id bigint not null references scope,
  id bigint generated always as identity,
  -- Chance, mixed into the ids of workflows made since: a database that is put back twice does not make it again.
  tag text not null unique,
  cause text not null check (cause in ('beat', 'engine', 'operator')),
  -- An operator's word for a restore that was planned: one word is one recovery.
  name text unique,
  detail jsonb not null,
  -- How many runs without an end were held.
  held int not null,
  -- What is told of before this moment is explained by this recovery.
  at timestamptz not null,
  -- When the workflows that the database knows no more were ended, and which.
  engine_swept_at timestamptz,
  ended_workflows jsonb not null default '[]',
  primary key (scope_id, id)
);
comment on table recovery is 'a recovery is of the whole database; its row stands in the first scope';

-- A scope whose operator has said that all is well: its new launches are not held any more.
create table recovery_release (
  scope_id bigint not null references scope,
  recovery_id bigint not null,
  released_by bigint not null references principal (id),
  released_at timestamptz not null default now(),
  primary key (scope_id, recovery_id)
);

-- When the host's agent last said that its journal does not know this attempt. Only of a run that is held after a restore.
alter table host_result add column absent_at timestamptz;

create index execution_recovered on execution (id) where state = 'paused' and reason = 'recovered';

-- What a host's session may be asked about: attempts without an end, or with an unknown one, of runs that are held after a restore.
create view recovered_task as
  select e.scope_id, e.id as execution_id, e.output_day, r.step_execution_id, r.host_id, r.attempt
  from execution e join host_result r on r.scope_id = e.scope_id and r.execution_id = e.id
  where e.state = 'paused' and e.reason = 'recovered' and r.state in ('pending', 'dispatched', 'running', 'unknown');

-- Records that a host's journal does not know an attempt, told by the session that is its host's newest.
create function write_absent(of_scope bigint, of_execution bigint, of_step bigint, of_host bigint, of_attempt int, of_epoch bigint)
  returns void language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update host_result r set absent_at = clock_timestamp() from agent_session s
  where r.scope_id = of_scope and r.execution_id = of_execution and r.step_execution_id = of_step and r.host_id = of_host
    and r.attempt = of_attempt and r.state = 'pending' and s.scope_id = r.scope_id and s.host_id = r.host_id and s.epoch = of_epoch
$$;

revoke execute on function write_absent from public;
grant execute on function write_absent to drover_gateway;
grant select (scope_id, worker, beat, beat_at) on ledger_beat to drover_gateway;
grant select (scope_id, id, tag, at) on recovery to drover_gateway;
grant select on recovered_task to drover_gateway;
