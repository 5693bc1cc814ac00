-- Jobs, and the plans that are made of them. Steps are kept as they were checked; `sha256` is of them with their keys in order.
-- Their names, and those of the scripts that they use, stand beside them: lists need not read megabytes of text for those.

create table job (
  scope_id bigint not null references scope,
  name text not null,
  description text not null,
  tags text[] not null,
  steps jsonb not null,
  step_names text[] not null,
  scripts text[] not null,
  sha256 bytea not null,
  revision int not null default 1,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_by bigint not null references principal (id),
  updated_at timestamptz not null default now(),
  primary key (scope_id, name)
);

-- A plan has the steps of its job as they were when it was made or synced, and which of them it chooses (null: all).
create table job_plan (
  scope_id bigint not null,
  job_name text not null,
  name text not null,
  description text not null,
  chosen text[],
  steps jsonb not null,
  scripts text[] not null,
  sha256 bytea not null,
  revision int not null default 1,
  created_by bigint not null references principal (id),
  created_at timestamptz not null default now(),
  updated_by bigint not null references principal (id),
  updated_at timestamptz not null default now(),
  primary key (scope_id, job_name, name),
  foreign key (scope_id, job_name) references job (scope_id, name)
);

comment on column job_plan.sha256 is 'of its steps; where the job has another one, the plan needs a sync';
