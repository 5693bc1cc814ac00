-- By what output is compared after normalising: times, ids and the host's own name are taken out (docs/reference/normalising.md).
-- Null where the host has not said; where nothing was taken out it is the hash of the output itself.
alter table host_result add column normalised_sha256 bytea;
alter table host_attempt add column normalised_sha256 bytea;

-- As before, with the new column in both. News of a gateway that does not know it has none.
create or replace function write_host_news(news jsonb) returns bigint language plpgsql security definer
  set search_path = pg_catalog, public, pg_temp as $$
declare
  changed jsonb;
begin
  -- Executions are locked in one order by every writer, before their results, so that two batches cannot wait for each other.
  perform from execution where id in (select (u ->> 'executionId')::bigint from jsonb_array_elements(news) as u)
    order by id for no key update;
  with told as (
    select u.*,
      -- A refusal says that this journal never started it. That is the whole truth only if no other journal can have been
      -- asked before: the host must not be running, and the journal must be the one that the order was first made for.
      (u.state = 'rejected' and (r.state = 'running' or (r.dispatches > 1
        and u.reason in ('order_wrong_journal', 'dispatch_id_conflict', 'order_signature_invalid')))) as perhaps_started,
      r.state as old_state
    from jsonb_to_recordset(news) as u (
      "scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint, attempt int, state text, started text,
      epoch bigint, gateway text, reason text, detail text, "exitCode" int, signal text, "startedAgoMs" float8, "durationMs" float8,
      "stdoutBytes" float8, "stderrBytes" float8, "outputSha256" text, "normalisedSha256" text, truncated boolean)
    join agent_session s on s.scope_id = u."scopeId" and s.host_id = u."hostId" and s.epoch = u.epoch and s.gateway = u.gateway
    join host_result r on (r.scope_id, r.execution_id, r.step_execution_id, r.host_id)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
    order by r.execution_id, r.step_execution_id, r.host_id for update of r
  ), written as (
    update host_result r set
      state = case when u.perhaps_started then 'unknown' else u.state end,
      started = case when u.perhaps_started then 'maybe' else u.started end, reason = u.reason, detail = u.detail,
      exit_code = u."exitCode", signal = u.signal, gateway = u.gateway, epoch = u.epoch, duration_ms = u."durationMs",
      started_at = coalesce(r.started_at, now() - u."startedAgoMs" * interval '1 ms'),
      ended_at = case when host_state_rank(u.state) = 3 then coalesce(r.ended_at, now()) end,
      resolved_at = case when r.state = 'unknown' then now() end,
      stdout_bytes = u."stdoutBytes", stderr_bytes = u."stderrBytes", output_sha256 = decode(u."outputSha256", 'hex'),
      normalised_sha256 = decode(u."normalisedSha256", 'hex'), truncated = coalesce(u.truncated, false)
    from told u
    where (r.scope_id, r.execution_id, r.step_execution_id, r.host_id)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
      and r.attempt = u.attempt and (r.epoch is null or r.epoch <= u.epoch)
      and (host_state_rank(r.state) < host_state_rank(u.state)
        or (r.state = 'unknown' and host_state_rank(u.state) = 3 and u.state <> 'unknown'))
    returning r.scope_id as "scopeId", r.execution_id as "executionId", r.step_execution_id as "stepExecutionId",
      r.host_id as "hostId", r.state, r.exit_code as "exitCode", r.reason, u.old_state = 'unknown' as amended
  )
  select jsonb_agg(to_jsonb(w)) into changed from written w;
  if changed is null then return 0; end if;
  perform append_host_events(changed);
  return jsonb_array_length(changed);
end $$;

create or replace function amend_attempts(news jsonb) returns bigint language plpgsql security definer
  set search_path = pg_catalog, public, pg_temp as $$
declare
  changed record;
  number bigint;
  n bigint := 0;
begin
  for changed in
    update host_attempt a set state = u.state, started = u.started, reason = u.reason, detail = u.detail, exit_code = u."exitCode",
      signal = u.signal, gateway = u.gateway, duration_ms = u."durationMs",
      started_at = coalesce(a.started_at, now() - u."startedAgoMs" * interval '1 ms'), resolved_at = now(),
      stdout_bytes = u."stdoutBytes", stderr_bytes = u."stderrBytes", output_sha256 = decode(u."outputSha256", 'hex'),
      normalised_sha256 = decode(u."normalisedSha256", 'hex'), truncated = coalesce(u.truncated, false)
    from jsonb_to_recordset(news) as u (
      "scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint, attempt int, state text, started text,
      epoch bigint, gateway text, reason text, detail text, "exitCode" int, signal text, "startedAgoMs" float8, "durationMs" float8,
      "stdoutBytes" float8, "stderrBytes" float8, "outputSha256" text, "normalisedSha256" text, truncated boolean)
    join agent_session s on s.scope_id = u."scopeId" and s.host_id = u."hostId" and s.epoch = u.epoch and s.gateway = u.gateway
    where (a.scope_id, a.execution_id, a.step_execution_id, a.host_id, a.attempt)
      = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId", u.attempt)
      and a.state = 'unknown' and host_state_rank(u.state) = 3 and u.state not in ('unknown', 'rejected')
    returning a.*
  loop
    update execution set next_seq = next_seq + 1 where scope_id = changed.scope_id and id = changed.execution_id
      returning next_seq - 1 into number;
    insert into event (scope_id, execution_id, seq, at, type, body) values (changed.scope_id, changed.execution_id, number,
      clock_timestamp(), 'hosts', jsonb_build_object('stepExecutionId', changed.step_execution_id::text, 'changes',
        jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('hostId', changed.host_id::text, 'attempt', changed.attempt,
          'state', changed.state, 'exitCode', changed.exit_code, 'reason', changed.reason, 'amended', true)))));
    n := n + 1;
  end loop;
  return n;
end $$;
