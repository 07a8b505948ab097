"""Reads to visits to trips to measures. Pure functions; files and the database only at the rim."""
