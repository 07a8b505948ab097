"""The way out: an HTTP API, read-only, and the floor page."""
