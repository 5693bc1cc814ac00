-- Plans that are steps of others. A step names a plan at a revision, so each revision is kept as it was; a plan that is removed
-- and made anew goes on counting, so that `deploy-site/quick@3` never comes to mean another one.
create table job_plan_revision (
  scope_id bigint not null references scope,
  job_name text not null,
  plan_name text not null,
  revision int not null,
  chosen text[],
  steps jsonb not null,
  variables jsonb not null,
  own_values jsonb not null,
  scripts text[] not null,
  secrets text[] not null,
  nested text[] not null,
  sha256 bytea not null,
  created_at timestamptz not null default now(),
  primary key (scope_id, job_name, plan_name, revision)
);

-- The plans that the steps bring, at any depth, as `deploy-site/quick@3`.
alter table job add nested text[] not null default '{}';
alter table job_plan add nested text[] not null default '{}';

insert into job_plan_revision (scope_id, job_name, plan_name, revision, chosen, steps, variables, own_values, scripts, secrets, nested, sha256)
select scope_id, job_name, name, revision, chosen, steps, variables, own_values, scripts, secrets, nested, sha256 from job_plan;

-- Everything whose steps may still come to run: jobs (plan is null), plans as they were frozen, and revisions of plans (as
-- `quick@3`) that are not the latest and that one of these brings.
create view job_definition as
  select scope_id, name as job, null as plan, steps, scripts, secrets, nested from job
  union all
  select scope_id, job_name, name, steps, scripts, secrets, nested from job_plan
  union all
  select r.scope_id, r.job_name, r.plan_name || '@' || r.revision, r.steps, r.scripts, r.secrets, r.nested from job_plan_revision r
  where not exists (select from job_plan p where p.scope_id = r.scope_id and p.job_name = r.job_name and p.name = r.plan_name and p.revision = r.revision)
    and exists (
      select from job j where j.scope_id = r.scope_id and r.job_name || '/' || r.plan_name || '@' || r.revision = any(j.nested)
      union all
      select from job_plan p where p.scope_id = r.scope_id and r.job_name || '/' || r.plan_name || '@' || r.revision = any(p.nested));
