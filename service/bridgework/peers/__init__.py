"""The other instances of this service: asked over HTTP, in parallel, for a bounded time."""
