-- A journal that comes back after another one had taken its place is a second agent under one identity, even if the two were
-- never seen at the same moment: one that was lost does not come back.

alter table host add column former_journals text[] not null default '{}';
comment on column host.former_journals is 'journals that another one has replaced, newest last, at most 16; emptied when a quarantine is released';

create function keep_former_journal() returns trigger language plpgsql as $$
begin
  new.former_journals := (array_append(array_remove(old.former_journals, old.journal_id), old.journal_id))[greatest(1, cardinality(old.former_journals) - 14):];
  return new;
end $$;
create trigger keep_former_journal before update of journal_id on host for each row
  when (old.journal_id is not null and old.journal_id is distinct from new.journal_id) execute function keep_former_journal();
