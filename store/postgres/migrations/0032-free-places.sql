-- How many hosts of a step may be under way at once, written by the first look that makes shards of it; null: all of them, or an
-- earlier worker made them.
alter table step_execution add column places int;
-- Of these, how many hosts hold that are under way in no shard, as its last look found them: they restart, or lost their session.
alter table step_execution add column places_away int not null default 0;

-- What the open shards of a step may have under way at once: none more than its limit, nor more than it has hosts without an end.
-- Hosts are asked for by their shard alone: with the step beside it a planner without statistics reads the whole step for each.
create function places_taken(of_scope bigint, of_step bigint) returns bigint
  language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select coalesce(sum((select count(*) from (
      select from host_result r where r.execution_id = d.execution_id and r.shard_id = d.id and host_state_rank(r.state) < 3
        limit d.host_limit) as open)), 0)
  from shard d where d.scope_id = of_scope and d.step_execution_id = of_step and d.closed_at is null
$$;

-- Places that other shards of the step leave free (they have fewer hosts left than they may run) go to one that has hosts waiting: its
-- share was fixed when it was made, and hosts waited for the slowest of it while places were free.
-- Returns its limit then; null once it is closed.
create function take_places(of_shard bigint, by_gateway text, wanted int) returns int
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  taker record;
  free bigint;
begin
  -- Mostly it has all that there are: nothing is locked for that.
  select d.scope_id, d.step_execution_id, d.host_limit, s.places into taker
    from shard d join step_execution s on s.scope_id = d.scope_id and s.id = d.step_execution_id
    where d.id = of_shard and d.gateway = by_gateway and d.closed_at is null;
  if taker.places is null or taker.places <= taker.host_limit or wanted <= 0 then return taker.host_limit; end if;
  -- Behind a look of the workflow's, which makes shards, and behind a recovery (migration 29) …
  perform from shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id where d.id = of_shard for share of e;
  -- … and one taker after another.
  perform from step_execution s where s.scope_id = taker.scope_id and s.id = taker.step_execution_id for no key update;
  -- Of a run that is held nobody knows what is away: the look that comes with its resume tells.
  select d.scope_id, d.step_execution_id, d.host_limit, s.places, s.places_away,
      e.pause is not null or e.cancel_requested_at is not null or e.ending_step is not distinct from s.id as held into taker
    from shard d join step_execution s on s.scope_id = d.scope_id and s.id = d.step_execution_id
      join execution e on e.scope_id = d.scope_id and e.id = d.execution_id
    where d.id = of_shard and d.closed_at is null;
  if taker.held is not false then return taker.host_limit; end if;
  free = taker.places - taker.places_away - places_taken(taker.scope_id, taker.step_execution_id);
  if free <= 0 or taker.places <= taker.host_limit then return taker.host_limit; end if;
  taker.host_limit = least(taker.places, taker.host_limit + least(wanted, free));
  update shard set host_limit = taker.host_limit where scope_id = taker.scope_id and id = of_shard;
  return taker.host_limit;
end $$;
revoke execute on function places_taken(bigint, bigint), take_places(bigint, text, int) from public;
grant execute on function take_places(bigint, text, int) to drover_gateway;
