#!/bin/sh
# Makes the gateways' login at the first start of the database: docs/operations/database-roles.md.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$GATEWAY_POSTGRES_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role drover_gateway nologin;
create role gateway login password :'password' in role drover_gateway;
revoke all on database :"DBNAME" from public;
grant connect on database :"DBNAME" to drover_gateway;
SQL
