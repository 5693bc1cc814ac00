-- The text of a script that one of these executions, without an end, was ordered to run. It asked all executions of the scope before, and took
-- longer with each that there had ever been. That one stays for gateways of before, which run on while others are replaced.
create function relayed_script(of_scope bigint, of_executions bigint[], of_sha256 bytea) returns bytea
  language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select t.content from script_text t where t.scope_id = of_scope and t.sha256 = of_sha256 and exists (
    select from execution e join shard d on d.scope_id = e.scope_id and d.execution_id = e.id
    where e.scope_id = of_scope and e.id = any(of_executions) and e.state not in ('succeeded', 'failed', 'cancelled')
      and position(of_sha256 in d.spec) > 0)
$$;
revoke execute on function relayed_script(bigint, bigint[], bytea) from public;
grant execute on function relayed_script(bigint, bigint[], bytea) to drover_gateway;

-- As before, and the execution is locked before any result is: what a session plans once and keeps locks its tables in an order of
-- its own, and a recovery, which makes partitions of results behind its lock on executions, stood in a circle with it.
create or replace function mark_dispatched(of_shard bigint, by_gateway text, hosts bigint[], epochs bigint[]) returns setof bigint
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  perform from shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id
    where d.id = of_shard and d.gateway = by_gateway for share of e;
  return query
  with allowed as (
    select d.scope_id, d.step_execution_id, d.id as shard_id, e.id, e.expires_at
    from shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id
    where d.id = of_shard and d.gateway = by_gateway and e.cancel_requested_at is null and e.pause is null
      and e.ending_step is distinct from d.step_execution_id and e.state in ('running', 'waiting'))
  update host_result r set state = case when r.state = 'pending' then 'dispatched' else r.state end,
    started = case when r.state = 'pending' then 'no' else r.started end, dispatches = r.dispatches + 1,
    dispatched_at = coalesce(r.dispatched_at, now()), gateway = by_gateway, epoch = greatest(r.epoch, s.epoch)
  from allowed a, unnest(hosts, epochs) as h (id, epoch), agent_session s
  where r.scope_id = a.scope_id and r.execution_id = a.id and r.step_execution_id = a.step_execution_id and r.shard_id = a.shard_id
    and r.host_id = h.id and s.scope_id = r.scope_id and s.host_id = h.id and s.epoch = h.epoch and s.gateway = by_gateway
    and host_state_rank(r.state) < 3 and (r.state <> 'pending' or a.expires_at > now())
    and exists (select from host where host.scope_id = r.scope_id and host.id = r.host_id and host.state = 'active')
  returning r.host_id;
end $$;
