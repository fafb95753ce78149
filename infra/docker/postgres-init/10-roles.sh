#!/bin/sh
# Runs once, when the data folder is new: the owner, its database, and one login per kind of process.
# The migrations give the rights to the groups; a login has the rights of its group and no others.
set -eu

psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set owner="$OWNER_DATABASE_PASSWORD" --set intake="$INTAKE_DATABASE_PASSWORD" \
    --set review="$REVIEW_DATABASE_PASSWORD" --set worker="$WORKER_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE dermatrail LOGIN CREATEROLE PASSWORD :'owner';
CREATE DATABASE dermatrail OWNER dermatrail;
-- Who creates a role may grant and drop it, as the migrations do.
SET ROLE dermatrail;
CREATE ROLE dermatrail_intake NOLOGIN;
CREATE ROLE dermatrail_review NOLOGIN;
CREATE ROLE dermatrail_worker NOLOGIN;
RESET ROLE;
CREATE ROLE intake LOGIN IN ROLE dermatrail_intake PASSWORD :'intake';
CREATE ROLE review LOGIN IN ROLE dermatrail_review PASSWORD :'review';
CREATE ROLE worker LOGIN IN ROLE dermatrail_worker PASSWORD :'worker';
SQL
