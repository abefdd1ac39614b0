"""One module for each protocol. ``kind`` names what each has, and imports it."""
