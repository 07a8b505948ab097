"""A run to look at: one HTML file that plays what really happened, and what the readers saw of it."""
