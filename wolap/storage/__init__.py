"""A cube on disk: what is built lies in files that are mapped into memory, and not read."""
