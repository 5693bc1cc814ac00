-- Undo: an operation that takes a run back by steps of their own, which get their rows when it is asked for.

alter table operation drop constraint operation_kind_check;
alter table operation add constraint operation_kind_check
  check (kind in ('cancel', 'pause', 'resume', 'retry', 'skip', 'ignore', 'next', 'undo'));

-- Position of the step that it takes back; null of the steps that a run goes through by itself.
alter table step_execution add undoes int;

-- Of the steps that take it back, in their order. Drawn at the launch: where the database is put back to before the undo, it is asked for
-- again under the same ids, and the journals of the hosts answer for what has run.
alter table execution add undo_step_ids bigint[] not null default '{}';

-- How long a host of a step may be away before it is given up, ms: it restarts. Null: as long as anywhere.
alter table step_execution add away_ms bigint;
