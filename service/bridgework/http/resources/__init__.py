"""One module or folder a resource: its routes and its schemas."""
