-- Agents are changed to another version by order: docs/operations/agent-upgrade.md.

-- Bundles that they may be changed to. Here like script texts: few, of some hundred KB, and a gateway can read them by hash
-- without a key of the bucket.
create table agent_bundle (
  scope_id bigint not null references scope,
  version text not null,
  sha256 bytea not null,
  platform text not null,
  content bytea not null,
  uploaded_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  primary key (scope_id, version)
);
create index agent_bundle_sha256 on agent_bundle (scope_id, sha256);

-- The latest upgrade of each host's agent; earlier ones are in the audit log.
create table agent_upgrade (
  scope_id bigint not null,
  host_id bigint not null,
  id bigint generated always as identity,
  rollout_id uuid not null,
  version text not null,
  from_version text,
  probation_ms int not null,
  -- How many hosts of the rollout are changed at once, and after how many that fell back no more are begun.
  at_once int not null,
  max_failures int not null,
  state text not null default 'pending' check (state in ('pending', 'downloading', 'probation', 'done', 'rolled_back', 'refused')),
  reason text,
  detail text,
  requested_by bigint not null references principal (id),
  requested_at timestamptz not null default now(),
  expires_at timestamptz not null,
  signed_at timestamptz,
  signed_order bytea,
  signature bytea,
  key_id text,
  updated_at timestamptz not null default now(),
  primary key (scope_id, host_id),
  unique (id),
  foreign key (scope_id, host_id) references host (scope_id, id),
  foreign key (scope_id, version) references agent_bundle (scope_id, version)
);
create index agent_upgrade_open on agent_upgrade (id) where state in ('pending', 'downloading', 'probation');
create index agent_upgrade_failed on agent_upgrade (rollout_id) where state = 'rolled_back' or reason = 'bundle_broken';

-- The bytes of a bundle, for a gateway to relay: only of one that some host is being changed to.
create function relayed_bundle(of_scope bigint, of_sha256 bytea) returns bytea language sql stable security definer
  set search_path = pg_catalog, public, pg_temp as $$
  select b.content from agent_bundle b where b.scope_id = of_scope and b.sha256 = of_sha256 and exists (
    select from agent_upgrade u where u.scope_id = b.scope_id and u.version = b.version
      and u.state in ('pending', 'downloading', 'probation') and u.signed_order is not null)
  limit 1
$$;

-- Records how far an upgrade got, told by the session that is its host's newest. News of an upgrade that was replaced, or
-- that goes back, changes nothing.
create function write_upgrade_news(of_scope bigint, of_host bigint, of_epoch bigint, of_upgrade bigint, to_state text,
  with_reason text, with_detail text) returns void language sql security definer
  set search_path = pg_catalog, public, pg_temp as $$
  update agent_upgrade u set state = to_state, reason = with_reason, detail = with_detail, updated_at = now()
  from agent_session s
  where u.scope_id = of_scope and u.host_id = of_host and u.id = of_upgrade and u.signed_order is not null
    and s.scope_id = u.scope_id and s.host_id = u.host_id and s.epoch = of_epoch
    and (u.state in ('pending', 'downloading') or (u.state = 'probation' and to_state <> 'downloading') or u.reason = 'order_expired')
$$;

revoke execute on function relayed_bundle, write_upgrade_news from public;
grant execute on function relayed_bundle, write_upgrade_news to drover_gateway;
grant select (scope_id, host_id, id, version, state, expires_at, signed_order, signature, key_id) on agent_upgrade to drover_gateway;
grant select (scope_id, version, sha256) on agent_bundle to drover_gateway;
