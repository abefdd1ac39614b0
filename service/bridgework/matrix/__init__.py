"""Many checks at once: a thread with an event loop, two of each for pings, and one socket set for each source."""
