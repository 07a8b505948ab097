"""A store that does not exist, on pseudo-terminals; and recordings of others, played through the same readers."""
