"""Who comes to the store and what they do there."""
