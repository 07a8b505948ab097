"""Recordings made by others: one loader per source, each gives a `tagtrail.simulator.replay.Recording`."""
