"""The database side: connection, schema, dictionaries. The only part of ingest that analytics and api import."""
