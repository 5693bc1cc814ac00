-- An unknown outcome may become known, also of an attempt that a retry has replaced meanwhile: what was said before is kept.

alter table host_result add column unknown_at timestamptz, add column unknown_reason text;
alter table host_attempt add column unknown_at timestamptz, add column unknown_reason text;

create function keep_unknown() returns trigger language plpgsql as $$
begin
  new.unknown_at := old.ended_at;
  new.unknown_reason := old.reason;
  return new;
end $$;
create trigger keep_unknown before update on host_result for each row
  when (old.state = 'unknown' and new.state <> 'unknown' and new.attempt = old.attempt) execute function keep_unknown();
create trigger keep_unknown before update on host_attempt for each row
  when (old.state = 'unknown' and new.state <> 'unknown') execute function keep_unknown();

-- Writes what agents told of attempts that a later one has replaced, with its events: only an unknown outcome can still
-- change. A refusal tells nothing of such an attempt: another journal may have been asked. Called after write_host_news
-- with the same news, in the same transaction, which holds the locks of the executions.
create function amend_attempts(news jsonb) returns bigint language plpgsql security definer
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
      truncated = coalesce(u.truncated, false)
    from jsonb_to_recordset(news) as u (
      "scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint, attempt int, state text, started text,
      epoch bigint, gateway text, reason text, detail text, "exitCode" int, signal text, "startedAgoMs" float8, "durationMs" float8,
      "stdoutBytes" float8, "stderrBytes" float8, "outputSha256" text, truncated boolean)
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

revoke execute on function amend_attempts(jsonb) from public;
grant execute on function amend_attempts(jsonb) to drover_gateway;
