-- The undo that a paused run is to have when the cancel that it began with has ended the run: the operation that asked for it.
alter table execution add undo_operation uuid;
