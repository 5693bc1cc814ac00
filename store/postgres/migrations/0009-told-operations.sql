-- When the workflow was seen to know of an operation. A workflow decides it in the ledger first, and may lose it with its task:
-- it is told again until it does.

alter table operation add column told_at timestamptz;
update operation set told_at = coalesce(decided_at, created_at) where state <> 'requested';
create index operation_untold on operation (decided_at) where state = 'accepted' and told_at is null and kind <> 'cancel';
