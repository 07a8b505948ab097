"""Numbered SQL files, each applied once and never changed afterwards."""
