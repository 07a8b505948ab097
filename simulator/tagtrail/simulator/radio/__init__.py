"""Which antenna reads which tag: link budget, bodies in the way, fading, and the readers' rounds."""
