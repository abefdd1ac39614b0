"""The layer between gunicorn's ASGI worker and Flask: connections, refusals, and threads."""
