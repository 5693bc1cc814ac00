-- What a step execution needs at each look, beside its compiled step, which is read only to make orders: how long hosts wait
-- after each attempt before the next (empty: none by itself), the condition under which it runs at all, and until when it waits.
alter table step_execution add retry_delays_ms bigint[] not null default '{}';
alter table step_execution add condition text;
alter table step_execution add wait_ms bigint;
alter table step_execution add wake_at timestamptz;
