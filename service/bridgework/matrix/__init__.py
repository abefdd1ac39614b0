"""Many checks at once: one thread, one event loop, one socket set for each source."""
