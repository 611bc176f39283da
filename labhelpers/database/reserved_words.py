"""Words that can't name a master user or a database: PostgreSQL's reserved key words, and names that RDS keeps.

https://www.postgresql.org/docs/current/sql-keywords-appendix.html
"""

from __future__ import annotations

import re

RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        all analyse analyze and any array as asc asymmetric authorization between binary both case cast
        check collate collation column concurrently constraint create cross current_catalog current_date
        current_role current_schema current_time current_timestamp current_user default deferrable desc
        distinct do else end except false fetch for foreign freeze from full grant group having ilike in
        initially inner intersect into is isnull join lateral leading left like limit localtime
        localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
        references returning right select session_user similar some symmetric system_user table tablesample
        then to trailing true union unique user using variadic verbose when where window with admin none
        public rdsadmin rdsrepladmin rds_superuser rds_password rds_replication rds_iam rds_ad
        """,
    )
)
