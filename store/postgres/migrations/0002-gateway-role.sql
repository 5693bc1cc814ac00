-- What a gateway may do here. It faces the hosts' networks and is trusted least, so its logins are members of a role that
-- owns nothing: what is not granted below is refused. docs/operations/database-roles.md says why each grant is there, and
-- test/e2e/red-team-gateway.test.ts fails for every table that it does not know.

do $$
begin
  if not exists (select from pg_roles where rolname = 'drover_gateway') then
    create role drover_gateway nologin;
  end if;
exception
  -- Another database of the same server was quicker.
  when duplicate_object or unique_violation then null;
  when insufficient_privilege then
    raise exception 'the role drover_gateway is missing and this account may not make it: run "create role drover_gateway nologin" as one that may'
      using errcode = 'insufficient_privilege';
end $$;

-- Fencing numbers are drawn here and nowhere else: nobody who may record a session chooses its number.
create function draw_session_epoch() returns trigger language plpgsql security definer
  set search_path = pg_catalog, public, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    new.epoch := coalesce(new.epoch, nextval('public.session_epoch'));
  elsif (new.gateway, new.gateway_boot, new.connected_at) is distinct from (old.gateway, old.gateway_boot, old.connected_at) then
    new.epoch := nextval('public.session_epoch');
  end if;
  return new;
end $$;
create trigger draw_session_epoch before insert or update on agent_session for each row execute function draw_session_epoch();

-- Tells of changed rows of host_result, in the transaction that changed them. An event stays readable and under a page or
-- two: a step of 10,000 hosts is told in many of them. The execution's row lock numbers events without a gap.
create function append_host_events(changed jsonb) returns void language plpgsql
  set search_path = pg_catalog, public, pg_temp as $$
declare
  piece record;
  number bigint;
begin
  for piece in
    select c."scopeId", c."executionId", c."stepExecutionId",
      jsonb_agg(jsonb_strip_nulls(jsonb_build_object('hostId', c."hostId"::text, 'state', c.state, 'exitCode', c."exitCode",
        'reason', c.reason, 'amended', case when c.amended then true end)) order by c.n) as changes
    from (select u.*, row_number() over (partition by u."stepExecutionId") as n
      from jsonb_to_recordset(changed) as u ("scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint,
        state text, "exitCode" int, reason text, amended boolean)) c
    group by c."scopeId", c."executionId", c."stepExecutionId", (c.n - 1) / 500
    order by c."executionId", c."stepExecutionId", (c.n - 1) / 500
  loop
    update execution set next_seq = next_seq + 1 where scope_id = piece."scopeId" and id = piece."executionId"
      returning next_seq - 1 into number;
    insert into event (scope_id, execution_id, seq, at, type, body) values (piece."scopeId", piece."executionId", number,
      clock_timestamp(), 'hosts', jsonb_build_object('stepExecutionId', piece."stepExecutionId"::text, 'changes', piece.changes));
  end loop;
end $$;

-- Writes what agents told, with its events. News changes nothing that would move a state back, or that comes from an older
-- attempt, or from a session that is not its host's newest: what an older session told, the agent tells again in the new
-- one. So a gateway can speak for those hosts alone whose session it holds by everybody's knowledge.
create function write_host_news(news jsonb) returns bigint language plpgsql security definer
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
      "stdoutBytes" float8, "stderrBytes" float8, "outputSha256" text, truncated boolean)
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
      truncated = coalesce(u.truncated, false)
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

-- Marks hosts of a shard as dispatched, just before their orders are sent, unless the execution is cancelled, paused or
-- over: one statement, so that no order leaves after a cancel was accepted. A host that was sent its order before may be
-- asked again after the execution's time: its agent answers with what became of it, and starts nothing then.
create function mark_dispatched(of_shard bigint, by_gateway text, hosts bigint[], epochs bigint[]) returns setof bigint
  language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  with allowed as (
    select d.scope_id, d.step_execution_id, d.id as shard_id, e.id, e.expires_at
    from shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id
    where d.id = of_shard and d.gateway = by_gateway and e.cancel_requested_at is null and e.pause is null
      and e.state in ('running', 'waiting') for share of e)
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

-- Keeps a host from new work until an operator has looked; the way back is not a gateway's.
create function quarantine_host(of_scope bigint, of_host bigint, because text) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update host set state = 'quarantined', state_reason = because where scope_id = of_scope and id = of_host and state = 'active'
$$;

-- The text of a script that an execution without an end was ordered to run; no other.
create function relayed_script(of_scope bigint, of_sha256 bytea) returns bytea
  language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select t.content from script_text t where t.scope_id = of_scope and t.sha256 = of_sha256 and exists (
    select from shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id
    where d.scope_id = of_scope and e.state not in ('succeeded', 'failed', 'cancelled') and position(of_sha256 in d.spec) > 0)
$$;
create index shard_execution on shard (scope_id, execution_id);

-- Orders that may still have to be carried: a closed shard's stay with the owner.
create view open_shard with (security_barrier) as select * from shard where closed_at is null;

revoke execute on function draw_session_epoch(), append_host_events(jsonb), write_host_news(jsonb),
  mark_dispatched(bigint, text, bigint[], bigint[]), quarantine_host(bigint, bigint, text), relayed_script(bigint, bytea) from public;
grant execute on function write_host_news(jsonb), mark_dispatched(bigint, text, bigint[], bigint[]),
  quarantine_host(bigint, bigint, text), relayed_script(bigint, bytea) to drover_gateway;

grant usage on schema public to drover_gateway;
grant select on kysely_migration to drover_gateway;
grant select on scope to drover_gateway;
grant select (scope_id, id, purpose, public_part, created_at, retired_at) on platform_key to drover_gateway;
grant select, insert (scope_id, name, boot_id, address), update (boot_id, address, started_at, last_seen_at, alive_since, draining)
  on gateway to drover_gateway;
grant select, update (agent_version, protocol, journal_id, journal_sequence, boot_id, machine_id, clock_skew_ms, conditions, last_seen_at)
  on host to drover_gateway;
grant select, insert, update (value), delete on host_fact to drover_gateway;
grant select, insert (scope_id, host_id, gateway, gateway_boot), update (gateway, gateway_boot, connected_at, disconnected_at)
  on agent_session to drover_gateway;
grant select (scope_id, serial, host_id, fingerprint, revoked_at) on certificate to drover_gateway;
grant select (scope_id, id, state, reason, output_day, pause, cancel_requested_at, stop_order, stop_signature, stop_key_id, expires_at, ended_at)
  on execution to drover_gateway;
grant select on open_shard to drover_gateway;
grant select (scope_id, execution_id, step_execution_id, host_id, attempt, state, journal_id, shard_id) on host_result to drover_gateway;
