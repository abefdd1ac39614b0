"""What the service checks before it asks the engine for a change."""
