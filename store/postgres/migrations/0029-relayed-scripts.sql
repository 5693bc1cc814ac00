-- The text of a script that one of these executions, without an end, was ordered to run. It asked all executions of the scope before, and took
-- longer with each that there had ever been.
drop function relayed_script(bigint, bytea);
create function relayed_script(of_scope bigint, of_executions bigint[], of_sha256 bytea) returns bytea
  language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select t.content from script_text t where t.scope_id = of_scope and t.sha256 = of_sha256 and exists (
    select from execution e join shard d on d.scope_id = e.scope_id and d.execution_id = e.id
    where e.scope_id = of_scope and e.id = any(of_executions) and e.state not in ('succeeded', 'failed', 'cancelled')
      and position(of_sha256 in d.spec) > 0)
$$;
revoke execute on function relayed_script(bigint, bigint[], bytea) from public;
grant execute on function relayed_script(bigint, bigint[], bytea) to drover_gateway;
