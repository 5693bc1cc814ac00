-- The secret store. Values are sealed to a public key before they come here: whoever writes them cannot read them, and who
-- can (a worker, which has the master key) does so to seal them to one host for one task.

alter table platform_key drop constraint platform_key_purpose_check;
alter table platform_key add constraint platform_key_purpose_check check (purpose in ('ca', 'signing', 'secrets'));

create table secret (
  scope_id bigint not null references scope,
  name text not null,
  description text not null,
  -- Numbers are never given twice, whatever was removed.
  next_version int not null default 1,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- The row stays, so that `db-password@1` never comes to mean another value: one that is made anew goes on counting.
  removed_at timestamptz,
  primary key (scope_id, name)
);

create table secret_version (
  scope_id bigint not null,
  id bigint generated always as identity,
  secret_name text not null,
  version int not null check (version between 1 and 999999),
  state text not null default 'enabled' check (state in ('enabled', 'disabled', 'destroyed')),
  -- The platform's key that the version's own key is sealed to.
  key_id text not null,
  -- Both null once it is destroyed: the version's own key, sealed; and the value under that.
  sealed_key bytea,
  sealed_value bytea,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (scope_id, id),
  unique (scope_id, secret_name, version),
  foreign key (scope_id, secret_name) references secret (scope_id, name),
  check ((state = 'destroyed') = (sealed_key is null) and (sealed_key is null) = (sealed_value is null))
);

-- Which secrets the steps use, as with scripts.
alter table job add column secrets text[] not null default '{}';
alter table job_plan add column secrets text[] not null default '{}';

-- The host's public key (P-256, a point of 65 bytes), for which values are sealed. Written by workers alone, when they sign.
alter table certificate add column public_key bytea;
comment on column certificate.public_key is 'null of gateways, and of certificates from before there were secrets';
-- Of the last day's certificates the answers are still there. What stands before the point in a P-256 key is always the same.
update certificate c set public_key = found.point
from (
  select sha256(der) as fingerprint, substring(der from at + 26 for 65) as point from (
    select der, position('\x3059301306072a8648ce3d020106082a8648ce3d030107034200'::bytea in der) as at from (
      select decode(regexp_replace(certificate, '-----[A-Z ]+-----|\s', '', 'g'), 'base64') as der
      from certificate_request where certificate is not null and host_id is not null) answered) located
  where at > 0) found
where c.fingerprint = found.fingerprint and c.host_id is not null;

-- What is sealed for each host of a shard, in the order of host_ids; null where its step has no secrets, and once it is closed.
alter table shard add column secrets bytea[];
create index shard_secrets on shard (scope_id, execution_id) where secrets is not null;
create or replace view open_shard with (security_barrier) as select * from shard where closed_at is null;
