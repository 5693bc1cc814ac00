-- Public scripts: a library that every scope uses. Its rows are in a scope of its own, in which nobody has a role and nothing
-- else is kept: so every key and foreign key of the library stays what it is.

alter table scope add column is_public boolean not null default false;
comment on column scope.is_public is 'the one whose scripts every scope may use: no name of a path';
create unique index scope_public on scope (is_public) where is_public;
-- With a space, which no name of a scope has.
insert into scope (name, is_public) values ('public scripts', true);
