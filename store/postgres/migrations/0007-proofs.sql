-- Workers sign certificates by proof alone. A gateway relays requests that it can neither make nor change: a join is signed
-- by the key of the token's secret, a renewal by the key of the certificate, a gateway's own by the key of its secret.

-- Tokens live a day at most: those of before are made anew.
delete from join_token;
alter table join_token drop column secret_sha256, add column public_key bytea not null unique;

alter table host add column join_key bytea;
comment on column host.join_key is 'sha256 of the public key (SPKI) that it joined with: one key joins once';
create unique index host_join_key on host (join_key);

alter table gateway add column revoked_at timestamptz;
comment on column gateway.revoked_at is 'set by an operator: workers sign nothing for this name any more';

alter table platform_key add column ca_signature bytea;
comment on column platform_key.ca_signature is 'of a signing key, by the CA: agents take no other at their join';

delete from certificate_request;
alter table certificate_request
  add column kind text not null check (kind in ('join', 'renewal', 'gateway')),
  add column name text,
  add column token_key bytea,
  add column current_certificate bytea,
  add column proof bytea not null,
  add column refused_code text;
comment on column certificate_request.host_id is 'of the answer';

grant select (ca_signature) on platform_key to drover_gateway;
grant select (scope_id, id, host_id, certificate, refused, refused_code, answered_at),
  insert (scope_id, id, kind, csr, gateway, name, token_key, current_certificate, proof) on certificate_request to drover_gateway;
