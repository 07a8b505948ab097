"""Estimated visits beside what really happened. `command` is the way in, `score` the numbers, `case` their input."""
