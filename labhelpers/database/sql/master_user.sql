-- Makes the roles that RDS gives a new PostgreSQL, its master user and its first database.
-- Run once by psql as rdsadmin; variables: master, database (may be ""); the password comes in the environment.
-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html
\getenv password MASTER_PASSWORD
CREATE ROLE rds_superuser NOLOGIN;
CREATE ROLE rds_password NOLOGIN;
SELECT format('GRANT %I TO rds_superuser WITH ADMIN OPTION', rolname)
  FROM pg_roles
 WHERE rolname IN ('pg_monitor', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription',
                   'pg_use_reserved_connections', 'rds_password')
\gexec
CREATE ROLE :"master" LOGIN CREATEDB CREATEROLE PASSWORD :'password' IN ROLE rds_superuser;
ALTER DATABASE postgres OWNER TO :"master";
ALTER DATABASE template1 OWNER TO :"master";
SELECT :'database' <> '' AS wanted \gset
\if :wanted
CREATE DATABASE :"database" OWNER :"master";
\endif
