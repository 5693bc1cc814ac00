-- What a step execution needs at each look, beside its compiled step, which is read only to begin it and to make orders: its
-- kind, how long hosts wait after each attempt before the next (empty: none by itself), the condition under which it runs at
-- all, and when a wait is over.
alter table step_execution add type text not null default 'script';
alter table step_execution add retry_delays_ms bigint[] not null default '{}';
alter table step_execution add condition text;
alter table step_execution add wake_at timestamptz;
