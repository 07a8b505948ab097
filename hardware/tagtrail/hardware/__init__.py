"""What hangs in a store and how it speaks: tag reads, the wire format, the store file, reader protocols. No I/O."""
