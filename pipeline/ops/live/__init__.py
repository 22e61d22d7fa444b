"""The ledger as it is now, read from its topics: what `top` and `web` show."""
