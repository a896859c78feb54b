-- Once per server, by an administrator, in psql: three roles and the database. The migrator owns the schema and
-- runs `migrate.mjs`; the service runs with the other, which grants.sql lets do what it does and no more.
\getenv migrator_password MIGRATOR_PASSWORD
\getenv runtime_password RUNTIME_PASSWORD
create role signature_migrator login password :'migrator_password';
create role signature_runtime login password :'runtime_password';
-- Operators log in by roles of their own, members of this one: create role ana login password '…' in role signature_operator
create role signature_operator nologin;
create database signature owner signature_migrator;
revoke all on database signature from public;
grant connect on database signature to signature_runtime, signature_operator;
