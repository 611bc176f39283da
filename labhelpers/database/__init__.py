"""The databases behind RDS: each DB instance is a real PostgreSQL server of its own."""
