-- Stops last until their hosts have told: for every attempt that may still run, also one that a later attempt has replaced, and
-- whatever its host was given up for.

-- The journal that its order was made for: no other may be told of it. Null of attempts that were replaced before this.
alter table host_attempt add column journal_id text;

-- Whether a host may still run an attempt: it was given up before it told, or its journal was away when another one came and may
-- come back. Of other unknown outcomes the journal has told what it knows, or it can be asked no more; one that was rolled back
-- would say "never started" of what it has forgotten.
create function may_still_run(state text, reason text) returns boolean language sql immutable as $$
  select state = 'unknown' and reason in ('agent_lost', 'reboot_overdue', 'engine_terminated', 'journal_lost', 'journal_conflict')
$$;

create index step_stop_execution on step_stop (scope_id, execution_id);

-- Tasks that are to stop and may still run: those of a step that is being ended, and those of hosts that were given up before the
-- stop was asked for. Also of stops that no worker has signed yet.
create or replace view step_stop_task as
  select e.scope_id, e.id as execution_id, e.output_day, e.expires_at, a.step_execution_id, a.host_id, a.attempt, a.journal_id,
    t.stop_order, t.stop_signature, t.stop_key_id
  from step_stop t
  join execution e on e.scope_id = t.scope_id and e.id = t.execution_id
  cross join lateral (
    select r.step_execution_id, r.host_id, r.attempt, r.journal_id from host_result r
    where r.scope_id = t.scope_id and r.execution_id = t.execution_id and r.step_execution_id = t.step_execution_id
      and ((e.ending_step = t.step_execution_id and r.state in ('dispatched', 'running'))
        or (may_still_run(r.state, r.reason) and r.dispatched_at <= t.requested_at))
    union all
    select r.step_execution_id, r.host_id, r.attempt, r.journal_id from host_attempt r
    where r.scope_id = t.scope_id and r.execution_id = t.execution_id and r.step_execution_id = t.step_execution_id
      and may_still_run(r.state, r.reason) and r.journal_id is not null
      and r.dispatched_at <= t.requested_at) a
  where e.ending_step = t.step_execution_id or t.requested_at > now() - interval '3 days';

-- Runs that were ended from outside have such stops from now on, too.
insert into step_stop (scope_id, execution_id, step_execution_id, requested_at, stop_order, stop_signature, stop_key_id)
select distinct e.scope_id, e.id, r.step_execution_id, e.ended_at, e.stop_order, e.stop_signature, e.stop_key_id
from execution e join host_result r on r.scope_id = e.scope_id and r.execution_id = e.id
where e.reason = 'engine_terminated' and e.ended_at > now() - interval '1 day' and may_still_run(r.state, r.reason)
on conflict do nothing;

-- Nobody looks for such runs any more.
drop index execution_terminated;

-- Notes that the journal of a host which was given up has told, and that it knows no end either, or never began a former attempt:
-- nothing of the attempt runs any more. Called after write_host_news with the same news, in the same transaction, which holds the
-- locks of the executions.
create function confirm_unknown(news jsonb) returns bigint language plpgsql security definer
  set search_path = pg_catalog, public, pg_temp as $$
declare
  changed jsonb;
  former record;
  number bigint;
  n bigint := 0;
begin
  with latest as (
    update host_result r set reason = u.reason, detail = u.detail, gateway = u.gateway, epoch = u.epoch, resolved_at = now(),
      unknown_at = r.ended_at, unknown_reason = r.reason
    from jsonb_to_recordset(news) as u ("scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint,
      attempt int, state text, epoch bigint, gateway text, reason text, detail text)
    join agent_session s on s.scope_id = u."scopeId" and s.host_id = u."hostId" and s.epoch = u.epoch and s.gateway = u.gateway
    where (r.scope_id, r.execution_id, r.step_execution_id, r.host_id, r.attempt)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId", u.attempt)
      and u.state = 'unknown' and not may_still_run(u.state, coalesce(u.reason, ''))
      and may_still_run(r.state, r.reason) and (r.epoch is null or r.epoch <= u.epoch)
    returning r.scope_id as "scopeId", r.execution_id as "executionId", r.step_execution_id as "stepExecutionId",
      r.host_id as "hostId", r.state, r.exit_code as "exitCode", r.reason, true as amended
  )
  select jsonb_agg(to_jsonb(l)) into changed from latest l;
  if changed is not null then
    perform append_host_events(changed);
    n := jsonb_array_length(changed);
  end if;
  for former in
    update host_attempt r set state = u.state, started = case u.state when 'rejected' then 'no' else r.started end, reason = u.reason,
      detail = u.detail, gateway = u.gateway, resolved_at = now(), unknown_at = r.ended_at, unknown_reason = r.reason
    from jsonb_to_recordset(news) as u ("scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint,
      attempt int, state text, epoch bigint, gateway text, reason text, detail text)
    join agent_session s on s.scope_id = u."scopeId" and s.host_id = u."hostId" and s.epoch = u.epoch and s.gateway = u.gateway
    join host h on h.scope_id = u."scopeId" and h.id = u."hostId"
    where (r.scope_id, r.execution_id, r.step_execution_id, r.host_id, r.attempt)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId", u.attempt) and may_still_run(r.state, r.reason)
      and case u.state
        when 'unknown' then not may_still_run(u.state, coalesce(u.reason, ''))
        -- The whole truth only from the journal that the order was made for (write_host_news says the same).
        when 'rejected' then r.journal_id = h.journal_id
          and coalesce(u.reason, '') not in ('order_wrong_journal', 'dispatch_id_conflict', 'order_signature_invalid')
      end
    returning r.*
  loop
    update execution set next_seq = next_seq + 1 where scope_id = former.scope_id and id = former.execution_id
      returning next_seq - 1 into number;
    insert into event (scope_id, execution_id, seq, at, type, body) values (former.scope_id, former.execution_id, number,
      clock_timestamp(), 'hosts', jsonb_build_object('stepExecutionId', former.step_execution_id::text, 'changes',
        jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('hostId', former.host_id::text, 'attempt', former.attempt,
          'state', former.state, 'reason', former.reason, 'amended', true)))));
    n := n + 1;
  end loop;
  return n;
end $$;

revoke execute on function confirm_unknown(jsonb) from public;
grant execute on function confirm_unknown(jsonb) to drover_gateway;
