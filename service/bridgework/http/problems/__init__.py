"""Problem documents (RFC 9457) and the catalogue of their codes."""
