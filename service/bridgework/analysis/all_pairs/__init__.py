"""All pairs predicted at once, by classes of sources and destinations that cannot differ."""
