"""The parts of schemas that every resource shares: field types, findings, and the requests of remedies."""
