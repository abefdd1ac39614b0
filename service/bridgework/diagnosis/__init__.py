"""The whole engine examined, without a question: ``diagnosis`` is the table, a module a theme."""
