"""What builds, records and checks; nothing of it is needed to run the service."""
