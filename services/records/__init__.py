"""Postgres is the truth: tables, states, and the service functions that change them.

Every function takes the session first, by keyword, and neither opens nor commits a transaction:
that is :meth:`services.records.database.Database.transaction`, so that a handler can join several
steps into one all-or-nothing change.
"""
