"""The tables of scores, one module per kind of data."""
