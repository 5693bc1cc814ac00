-- The script library: named scripts, whose numbered versions are texts of script_text.

create table script (
  scope_id bigint not null references scope,
  name text not null,
  language text not null,
  description text not null,
  tags text[] not null,
  -- Grows with each change of description or tags: who changes an older one is told.
  revision int not null default 1,
  -- Numbers are never given twice, whatever was removed.
  next_version int not null default 1,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- The row stays, so that `deploy@1` never comes to mean another text: a script made anew goes on counting.
  removed_at timestamptz,
  primary key (scope_id, name)
);

create table script_version (
  scope_id bigint not null,
  script_name text not null,
  version int not null check (version between 1 and 999999),
  state text not null check (state in ('draft', 'online', 'offline', 'disabled')),
  note text not null,
  sha256 bytea not null,
  bytes int not null,
  revision int not null default 1,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (scope_id, script_name, version),
  foreign key (scope_id, script_name) references script (scope_id, name),
  foreign key (scope_id, sha256) references script_text (scope_id, sha256)
);
create unique index script_version_online on script_version (scope_id, script_name) where state = 'online';
create index script_version_text on script_version (scope_id, sha256);
