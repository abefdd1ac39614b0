"""Name resolution as the source's C library does it."""
