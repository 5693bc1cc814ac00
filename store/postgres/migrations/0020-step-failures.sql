-- What failed hosts make of a step is asked with its verdict, which is not the workflow's to bring any more.
alter table step_execution add on_failure text not null default 'stop' check (on_failure in ('stop', 'ignore'));
update step_execution s set on_failure = 'ignore' from execution e join plan_ir p on p.scope_id = e.scope_id and p.hash = e.plan_hash
where e.scope_id = s.scope_id and e.id = s.execution_id and p.body->'steps'->s.position->>'onFailure' = 'ignore';
