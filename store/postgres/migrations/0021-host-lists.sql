-- Steps that take their hosts of earlier ones have none until they begin: whether a step does, and when it did. What it took are its
-- host results; it is done once, whatever becomes of the earlier steps later.
alter table step_execution add takes_hosts boolean not null default false;
alter table step_execution add taken_at timestamptz;
