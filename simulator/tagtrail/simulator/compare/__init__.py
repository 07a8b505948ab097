"""Simulated reads beside recorded ones, of tags worn by people."""
