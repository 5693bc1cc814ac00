-- Secret variables: what is kept of a value that somebody gave is a secret of its own (`value/<uuid>`) with one version.

alter table secret add column own_value boolean not null default false;
comment on column secret.own_value is 'made for the value of a variable: nobody names it, and it goes when nothing holds it';
create index secret_own_value on secret (created_at) where own_value;

-- What a plan's own values name; `secrets` is what its frozen steps and variables do, and of a revision what both do.
alter table job_plan add column own_secrets text[] not null default '{}';

-- Which runs were given which of them.
create table run_secret (
  scope_id bigint not null,
  secret_name text not null,
  execution_id bigint not null,
  primary key (scope_id, secret_name, execution_id),
  foreign key (scope_id, execution_id) references execution (scope_id, id)
);

-- With all secrets that it names: those of a plan's own values, too, which revisions hold among the others.
create or replace view job_definition as
  select scope_id, name as job, null as plan, steps, scripts, secrets, nested, variables, '{}'::jsonb as own_values from job
  union all
  select scope_id, job_name, name, steps, scripts, secrets || own_secrets, nested, variables, own_values from job_plan
  union all
  select r.scope_id, r.job_name, r.plan_name || '@' || r.revision, r.steps, r.scripts, r.secrets, r.nested, r.variables, r.own_values from job_plan_revision r
  where not exists (select from job_plan p where p.scope_id = r.scope_id and p.job_name = r.job_name and p.name = r.plan_name and p.revision = r.revision)
    and exists (
      select from job j where j.scope_id = r.scope_id and r.job_name || '/' || r.plan_name || '@' || r.revision = any(j.nested)
      union all
      select from job_plan p where p.scope_id = r.scope_id and r.job_name || '/' || r.plan_name || '@' || r.revision = any(p.nested));
