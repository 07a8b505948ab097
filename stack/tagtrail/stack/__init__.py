"""The `tagtrail` command, and everything on one machine: database, broker, services under a small supervisor."""
