"""A scenario live: on the lines of its readers, or straight to the broker."""
