-- Secret variables: what is kept of a value that somebody gave is a secret of its own (`value/<uuid>`) with one version.

alter table secret add column own_value boolean not null default false;
comment on column secret.own_value is 'made for the value of a variable: nobody names it, and it goes when nothing holds it';
create index secret_own_value on secret (created_at) where own_value;

-- What a plan's own values name; `secrets` is what its frozen steps and variables do.
alter table job_plan add column own_secrets text[] not null default '{}';

-- Which runs were given which of them.
create table run_secret (
  scope_id bigint not null,
  secret_name text not null,
  execution_id bigint not null,
  primary key (scope_id, secret_name, execution_id),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);
