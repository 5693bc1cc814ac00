-- Variables: what jobs define and plans give them, and what they come to in a run. A value is kept as the bytes of its items
-- (a text is one, a map has each key before its value), for what scripts set need not be UTF-8.
alter table job add variables jsonb not null default '[]';
alter table job_plan add variables jsonb not null default '[]';
alter table job_plan add own_values jsonb not null default '{}';

-- What a script said of itself beside its end: `drover-tag`, and why a success is not one where its values were lost.
alter table host_result add tag text;
alter table host_attempt add tag text;

-- What a script on one host set, in an attempt that succeeded.
create table host_value (
  scope_id bigint not null,
  execution_id bigint not null,
  step_execution_id bigint not null,
  host_id bigint not null,
  attempt int not null,
  name text not null,
  items bytea[] not null,
  primary key (scope_id, execution_id, step_execution_id, host_id, attempt, name),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);

-- What the hosts of a step came to together when it got its verdict; a step that got one again has another row.
create table run_value (
  scope_id bigint not null,
  id bigint generated always as identity,
  execution_id bigint not null,
  step_execution_id bigint not null,
  position int not null,
  name text not null,
  items bytea[] not null,
  -- Whose it is: the first host in the order of the target that set it.
  host_id bigint not null,
  host_name text not null,
  -- How many hosts set it, and whether all of them set it to this.
  hosts int not null,
  agreed boolean not null,
  decided_at timestamptz not null default now(),
  primary key (scope_id, id),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);
create index run_value_of on run_value (scope_id, execution_id, name, position, id);

-- What a step began with, of the variables that may change: written once, whatever earlier steps come to when they are retried.
create table step_input (
  scope_id bigint not null,
  execution_id bigint not null,
  step_execution_id bigint not null,
  name text not null,
  items bytea[] not null,
  primary key (scope_id, execution_id, step_execution_id, name),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);

-- Writes tags and values that came with an end, in the transaction of write_host_news and after it. Only of the attempt that
-- is the latest, as it stands there now by the word of the same session; told again it changes nothing.
create function write_host_said(said jsonb) returns void language sql security definer
  set search_path = pg_catalog, public, pg_temp as $$
  with told as (
    select u.*, r.state from jsonb_to_recordset(said) as u ("scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint,
      "hostId" bigint, attempt int, epoch bigint, gateway text, tag text, "values" jsonb)
    join host_result r on (r.scope_id, r.execution_id, r.step_execution_id, r.host_id)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
    where r.attempt = u.attempt and r.epoch = u.epoch and r.gateway = u.gateway and host_state_rank(r.state) = 3
  ), tagged as (
    update host_result r set tag = u.tag from told u
    where u.tag is not null and (r.scope_id, r.execution_id, r.step_execution_id, r.host_id)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
  )
  insert into host_value (scope_id, execution_id, step_execution_id, host_id, attempt, name, items)
  select u."scopeId", u."executionId", u."stepExecutionId", u."hostId", u.attempt, v ->> 'name',
    array(select decode(i, 'base64') from jsonb_array_elements_text(v -> 'items') as i)
  from told u, jsonb_array_elements(u."values") as v where u.state = 'succeeded'
  on conflict do nothing
$$;
revoke execute on function write_host_said(jsonb) from public;
grant execute on function write_host_said(jsonb) to drover_gateway;
