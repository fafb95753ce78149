"""The database's history. Run it with ``dermatrail migrate`` (services/records/migrate.py)."""
