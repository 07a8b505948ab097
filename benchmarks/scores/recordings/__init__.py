"""Recordings, and one experiment, on which estimators are scored."""
