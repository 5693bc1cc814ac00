-- What Drover keeps, decided before anything was kept. Every row belongs to a scope, and scope_id comes first in every key.

create table scope (
  id bigint generated always as identity primary key,
  name text not null unique,
  created_at timestamptz not null default now()
);

create table principal (
  scope_id bigint not null references scope,
  id bigint generated always as identity,
  kind text not null check (kind in ('person', 'service')),
  name text not null,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (scope_id, id),
  unique (scope_id, name),
  unique (id)
);
comment on table principal is 'scope_id is the scope that the principal was made in; what it may do is in role_grant, scope by scope';

create table role_grant (
  scope_id bigint not null references scope,
  principal_id bigint not null references principal (id),
  role text not null check (role in ('viewer', 'operator', 'approver', 'admin')),
  granted_at timestamptz not null default now(),
  primary key (scope_id, principal_id, role)
);

create table api_token (
  scope_id bigint not null references scope,
  id bigint generated always as identity,
  principal_id bigint not null references principal (id),
  token_sha256 bytea not null unique,
  name text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (scope_id, id)
);

-- Each row holds the hash of the one before it in its scope: a row that is changed or taken out breaks the chain.
create table audit (
  scope_id bigint not null references scope,
  seq bigint not null,
  at timestamptz not null,
  principal_id bigint,
  action text not null,
  resource text not null,
  request_id uuid not null,
  detail jsonb not null,
  previous_hash bytea not null,
  hash bytea not null,
  primary key (scope_id, seq)
);

-- Keys of the platform: the private half is sealed by the master key whose id stands beside it.
create table platform_key (
  scope_id bigint not null references scope,
  id text not null,
  purpose text not null check (purpose in ('ca', 'signing')),
  public_part text not null,
  sealed_private bytea not null,
  master_key_id text not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  primary key (scope_id, id)
);

create table host (
  scope_id bigint not null references scope,
  id bigint generated always as identity,
  name text not null,
  state text not null default 'active' check (state in ('active', 'quarantined', 'revoked')),
  state_reason text,
  agent_version text,
  protocol int,
  journal_id text,
  journal_sequence bigint not null default 0,
  boot_id text,
  machine_id text,
  clock_skew_ms bigint,
  conditions text[] not null default '{}',
  created_at timestamptz not null default now(),
  last_seen_at timestamptz,
  revoked_at timestamptz,
  primary key (scope_id, id),
  unique (id)
);
create unique index host_name on host (scope_id, name) where state <> 'revoked';

create table host_label (
  scope_id bigint not null,
  host_id bigint not null,
  key text not null,
  value text not null,
  primary key (scope_id, host_id, key),
  foreign key (scope_id, host_id) references host (scope_id, id)
);
create index host_label_value on host_label (scope_id, key, value, host_id);

create table host_fact (
  scope_id bigint not null,
  host_id bigint not null,
  key text not null,
  value text not null,
  primary key (scope_id, host_id, key),
  foreign key (scope_id, host_id) references host (scope_id, id)
);
create index host_fact_value on host_fact (scope_id, key, value, host_id);

create table host_group (
  scope_id bigint not null references scope,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (scope_id, name)
);

create table host_group_member (
  scope_id bigint not null,
  group_name text not null,
  host_id bigint not null,
  primary key (scope_id, group_name, host_id),
  foreign key (scope_id, group_name) references host_group (scope_id, name) on delete cascade,
  foreign key (scope_id, host_id) references host (scope_id, id)
);

-- A gateway by its stable name; boot_id tells one process from the next.
create table gateway (
  scope_id bigint not null references scope,
  name text not null,
  boot_id uuid not null,
  address text not null,
  started_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  -- Since when it has been heard of without a gap: a database that was away must not make hosts look away.
  alive_since timestamptz not null default now(),
  draining boolean not null default false,
  primary key (scope_id, name)
);
comment on table gateway is 'gateways serve every scope; their rows stand in the first one';

-- Fencing numbers of sessions: a higher one is newer, whichever gateway drew it.
create sequence session_epoch;

create table agent_session (
  scope_id bigint not null,
  host_id bigint not null,
  gateway text not null,
  gateway_boot uuid not null,
  epoch bigint not null,
  connected_at timestamptz not null default now(),
  disconnected_at timestamptz,
  primary key (scope_id, host_id),
  foreign key (scope_id, host_id) references host (scope_id, id)
);
create index agent_session_gateway on agent_session (gateway, gateway_boot) where disconnected_at is null;

create table certificate (
  scope_id bigint not null references scope,
  serial text not null,
  host_id bigint,
  gateway text,
  not_after timestamptz not null,
  fingerprint bytea not null,
  issued_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (scope_id, serial),
  unique (serial),
  foreign key (scope_id, host_id) references host (scope_id, id)
);
create unique index certificate_fingerprint on certificate (fingerprint);
create index certificate_host on certificate (scope_id, host_id);

-- Gateways cannot sign: they leave the request here and a worker answers it.
create table certificate_request (
  scope_id bigint not null references scope,
  id uuid not null,
  host_id bigint,
  gateway text,
  csr bytea not null,
  requested_at timestamptz not null default now(),
  certificate text,
  refused text,
  answered_at timestamptz,
  primary key (scope_id, id)
);
create index certificate_request_open on certificate_request (requested_at) where answered_at is null;

create table join_token (
  scope_id bigint not null references scope,
  id bigint generated always as identity,
  secret_sha256 bytea not null unique,
  labels jsonb not null,
  uses_left int not null check (uses_left >= 0),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  primary key (scope_id, id)
);

create table script_text (
  scope_id bigint not null references scope,
  sha256 bytea not null,
  content bytea not null,
  created_at timestamptz not null default now(),
  primary key (scope_id, sha256)
);

create table plan_ir (
  scope_id bigint not null references scope,
  hash bytea not null,
  ir_version int not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (scope_id, hash)
);

create table execution (
  scope_id bigint not null references scope,
  id bigint generated always as identity,
  name text not null,
  state text not null check (state in ('pending', 'running', 'waiting', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled')),
  reason text,
  plan_hash bytea not null,
  workflow_id text not null unique,
  -- First Temporal run of the workflow that may carry this execution on; null until it is claimed.
  run_id text,
  continuation int not null default 0,
  trigger text not null check (trigger in ('api', 'schedule', 'nested')),
  launched_by bigint not null references principal (id),
  target text not null,
  hosts int not null,
  pause text check (pause in ('soft', 'hard')),
  cancel_requested_at timestamptz,
  -- Set by cancel and by a hard pause; a worker answers it with a signed StopOrder: agents stop what was ordered before it.
  stop_requested_at timestamptz,
  stop_order bytea,
  stop_signature bytea,
  stop_key_id text,
  expires_at timestamptz not null,
  -- How long orders may be carried out, from the launch and from each continuation.
  expires_in_ms bigint not null,
  output_day text not null,
  next_seq bigint not null default 1,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  primary key (scope_id, id),
  unique (id),
  foreign key (scope_id, plan_hash) references plan_ir (scope_id, hash)
);
create index execution_open on execution (id) where state not in ('succeeded', 'failed', 'cancelled');
create index execution_stop on execution (stop_requested_at) where stop_requested_at is not null and stop_order is null;
create index execution_terminated on execution (ended_at) where reason = 'engine_terminated';
create index execution_recent on execution (scope_id, id desc);

create table step_execution (
  scope_id bigint not null,
  id bigint generated always as identity,
  execution_id bigint not null,
  -- Names nesting and iteration: `0`, `1`, later `2.3#4`.
  path text not null,
  position int not null,
  name text not null,
  state text not null check (state in ('pending', 'running', 'waiting', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled', 'skipped', 'ignored')),
  reason text,
  hosts int not null,
  -- The newest look that a workflow took at its hosts: an older one that comes late changes nothing.
  look bigint not null default 0,
  started_at timestamptz,
  ended_at timestamptz,
  primary key (scope_id, id),
  unique (id),
  unique (scope_id, execution_id, path),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);

create table shard (
  scope_id bigint not null,
  id bigint generated always as identity,
  execution_id bigint not null,
  step_execution_id bigint not null,
  gateway text not null,
  host_limit int not null,
  host_ids bigint[] not null,
  -- Encoded DispatchOrders and their signatures, in the order of host_ids.
  orders bytea[] not null,
  signatures bytea[] not null,
  key_id text not null,
  spec bytea not null,
  created_at timestamptz not null default now(),
  closed_at timestamptz,
  primary key (scope_id, id),
  unique (id),
  foreign key (scope_id, step_execution_id) references step_execution (scope_id, id)
);
create index shard_open on shard (scope_id, step_execution_id) where closed_at is null;

-- How far along a host's state is: a write may only move it up (domain/host-result.ts says the same).
create function host_state_rank(state text) returns int language sql immutable as $$
  select case state when 'pending' then 0 when 'dispatched' then 1 when 'running' then 2 else 3 end
$$;

-- The ledger: one row for each host of each step, holding its latest attempt. Partitioned by runs of executions, so that
-- what is old is dropped and never deleted row by row.
create table host_result (
  scope_id bigint not null,
  execution_id bigint not null,
  step_execution_id bigint not null,
  host_id bigint not null,
  host_name text not null,
  position int not null,
  attempt int not null default 1,
  state text not null default 'pending' check (state in ('pending', 'dispatched', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled', 'rejected', 'skipped', 'offline', 'unknown')),
  started text not null default 'no' check (started in ('no', 'yes', 'maybe')),
  reason text,
  detail text,
  exit_code int,
  signal text,
  shard_id bigint,
  gateway text,
  epoch bigint,
  sequence bigint not null default 0,
  journal_id text,
  dispatched_at timestamptz,
  -- How often its order was sent: only after the first can it be said that nobody else may have started it.
  dispatches int not null default 0,
  started_at timestamptz,
  ended_at timestamptz,
  duration_ms bigint,
  stdout_bytes bigint,
  stderr_bytes bigint,
  output_sha256 bytea,
  truncated boolean not null default false,
  resolved_at timestamptz,
  primary key (scope_id, execution_id, step_execution_id, host_id)
) partition by range (execution_id);
create index host_result_state on host_result (scope_id, execution_id, step_execution_id, state);
create index host_result_shard on host_result (shard_id) where shard_id is not null;

-- Attempts that a later one has replaced; the latest is in host_result.
create table host_attempt (
  scope_id bigint not null,
  execution_id bigint not null,
  step_execution_id bigint not null,
  host_id bigint not null,
  attempt int not null,
  state text not null,
  started text not null,
  reason text,
  detail text,
  exit_code int,
  signal text,
  gateway text,
  dispatched_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  duration_ms bigint,
  stdout_bytes bigint,
  stderr_bytes bigint,
  output_sha256 bytea,
  truncated boolean not null,
  resolved_at timestamptz,
  primary key (scope_id, execution_id, step_execution_id, host_id, attempt)
) partition by range (execution_id);

create table event (
  scope_id bigint not null,
  execution_id bigint not null,
  seq bigint not null,
  at timestamptz not null default now(),
  type text not null check (type in ('execution', 'step', 'hosts', 'batch', 'operation', 'output', 'note')),
  body jsonb not null,
  primary key (scope_id, execution_id, seq)
) partition by range (execution_id);

create table host_result_0 partition of host_result for values from (0) to (100000) with (fillfactor = 70);
create table host_attempt_0 partition of host_attempt for values from (0) to (100000);
create table event_0 partition of event for values from (0) to (100000);

create table operation (
  scope_id bigint not null,
  id uuid not null,
  execution_id bigint not null,
  kind text not null check (kind in ('cancel', 'pause', 'resume', 'retry', 'skip')),
  args jsonb not null,
  principal_id bigint not null references principal (id),
  state text not null default 'requested' check (state in ('requested', 'accepted', 'refused')),
  reason text,
  created_at timestamptz not null default now(),
  decided_at timestamptz,
  primary key (scope_id, id),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);
create index operation_execution on operation (scope_id, execution_id, created_at);
create index operation_open on operation (created_at) where state = 'requested';

create table idempotency (
  scope_id bigint not null references scope,
  principal_id bigint not null references principal (id),
  key text not null,
  request_sha256 bytea not null,
  status int not null,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (scope_id, principal_id, key)
);
create index idempotency_age on idempotency (created_at);

insert into scope (name) values ('default');
