-- Gives the master user another password. Run by psql as rdsadmin; variable: master.
\getenv password MASTER_PASSWORD
ALTER ROLE :"master" PASSWORD :'password';
