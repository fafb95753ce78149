"""The only place where models meet records: Celery tasks and the command line."""
