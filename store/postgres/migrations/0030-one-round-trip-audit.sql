-- Appends a row to a scope's chain. One call and not five: the chain is locked for no longer than its row takes, and a launch asks four times less.
-- `said` is the end of what is hashed as its writer has put it into JSON, for jsonb would not give it back as it was: the hash is over
-- ["scope","seq","at",principal,"action","resource","request",{detail}] behind the hash before it (store/postgres/audit.ts checks it so).
create function append_audit(of_scope bigint, by bigint, action text, resource text, request uuid, detail jsonb, said text) returns void
  language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  -- The clock of the row is read under the lock, so that times are in the order of numbers; as many digits as JSON tells.
  now timestamptz;
  number bigint;
  previous bytea;
begin
  perform pg_advisory_xact_lock(x'617564'::int, hashint8(of_scope));
  select a.seq, a.hash into number, previous from audit a where a.scope_id = of_scope order by a.seq desc limit 1;
  number := coalesce(number, 0) + 1;
  previous := coalesce(previous, decode(repeat('00', 32), 'hex'));
  now := date_trunc('milliseconds', clock_timestamp());
  insert into audit (scope_id, seq, at, principal_id, action, resource, request_id, detail, previous_hash, hash)
  values (of_scope, number, now, by, action, resource, request, detail, previous, sha256(previous || convert_to(
    format('["%s","%s","%s",%s', of_scope, number, to_char(now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), said), 'UTF8')));
end $$;
revoke execute on function append_audit(bigint, bigint, text, text, uuid, jsonb, text) from public;

-- What the primary key tells already, read from its end.
drop index execution_recent;
-- A run's row and its steps' are written several times within seconds: room beside them keeps their indexes as they are.
alter table execution set (fillfactor = 70);
alter table step_execution set (fillfactor = 70);
