-- The rest of the operations on a run: ignore, next, a skip of hosts, and attempts that run an edited script.

alter table operation drop constraint operation_kind_check;
alter table operation add constraint operation_kind_check
  check (kind in ('cancel', 'pause', 'resume', 'retry', 'skip', 'ignore', 'next'));

-- What an attempt runs, where it is not the text of the plan. Its text is in script_text.
alter table host_result add column script_sha256 bytea;
alter table host_attempt add column script_sha256 bytea;

-- An operator has said that failures of the step do not count.
alter table step_execution add column failure_ignored boolean not null default false;

-- The step that is being ended by `next`, while its run goes on: no order of it leaves any more. In the execution's row, so that
-- who marks a dispatch sees it by the same lock as a cancel.
alter table execution add column ending_step bigint;
create index execution_ending on execution (ending_step) where ending_step is not null;

-- Stops of single steps, signed by a worker, told by gateways to the hosts of that step alone: asked for by `next`, and what a
-- cancelled run leaves for hosts that were away at its end.
create table step_stop (
  scope_id bigint not null,
  execution_id bigint not null,
  step_execution_id bigint not null,
  requested_at timestamptz not null default clock_timestamp(),
  stop_order bytea,
  stop_signature bytea,
  stop_key_id text,
  primary key (scope_id, step_execution_id),
  foreign key (scope_id, step_execution_id) references step_execution (scope_id, id)
);
create index step_stop_open on step_stop (requested_at) where stop_order is null;

-- Tasks that are to stop because their step was ended, and may still run: those of a step that is being ended, and those of
-- hosts that were away when it was.
create view step_stop_task as
  select e.scope_id, e.id as execution_id, e.output_day, e.expires_at, r.step_execution_id, r.host_id, r.attempt, r.journal_id,
    t.stop_order, t.stop_signature, t.stop_key_id
  from step_stop t
  join execution e on e.scope_id = t.scope_id and e.id = t.execution_id
  join host_result r on r.scope_id = t.scope_id and r.execution_id = t.execution_id and r.step_execution_id = t.step_execution_id
  where t.stop_order is not null and ((e.ending_step = t.step_execution_id and r.state in ('dispatched', 'running'))
    or (r.state = 'unknown' and r.reason = 'agent_lost' and r.dispatched_at <= t.requested_at
      and t.requested_at > now() - interval '3 days'));

-- As before, and nothing of a step that is being ended.
create or replace function mark_dispatched(of_shard bigint, by_gateway text, hosts bigint[], epochs bigint[]) returns setof bigint
  language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  with allowed as (
    select d.scope_id, d.step_execution_id, d.id as shard_id, e.id, e.expires_at
    from shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id
    where d.id = of_shard and d.gateway = by_gateway and e.cancel_requested_at is null and e.pause is null
      and e.ending_step is distinct from d.step_execution_id and e.state in ('running', 'waiting') for share of e)
  update host_result r set state = case when r.state = 'pending' then 'dispatched' else r.state end,
    started = case when r.state = 'pending' then 'no' else r.started end, dispatches = r.dispatches + 1,
    dispatched_at = coalesce(r.dispatched_at, now()), gateway = by_gateway, epoch = greatest(r.epoch, s.epoch)
  from allowed a, unnest(hosts, epochs) as h (id, epoch), agent_session s
  where r.scope_id = a.scope_id and r.execution_id = a.id and r.step_execution_id = a.step_execution_id and r.shard_id = a.shard_id
    and r.host_id = h.id and s.scope_id = r.scope_id and s.host_id = h.id and s.epoch = h.epoch and s.gateway = by_gateway
    and host_state_rank(r.state) < 3 and (r.state <> 'pending' or a.expires_at > now())
    and exists (select from host where host.scope_id = r.scope_id and host.id = r.host_id and host.state = 'active')
  returning r.host_id
$$;

grant select (ending_step) on execution to drover_gateway;
grant select on step_stop, step_stop_task to drover_gateway;
