"""Recordings and captures, played once more; one loader per source of recordings gives a list of `RecordedRead`."""
