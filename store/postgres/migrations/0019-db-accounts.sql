-- Database accounts: where SQL steps sign in, and as whom. `secret` is the name of what they sign in with, never its value.
create table db_account (
  scope_id bigint not null references scope,
  name text not null,
  description text not null,
  engine text not null check (engine in ('postgresql', 'mysql')),
  host text not null,
  port int not null,
  database_name text not null,
  login text not null,
  ssl_mode text not null check (ssl_mode in ('disable', 'prefer', 'require', 'verify-full')),
  ca_file text not null,
  secret text,
  revision int not null default 1,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_by bigint not null references principal (id),
  updated_at timestamptz not null default now(),
  primary key (scope_id, name)
);
