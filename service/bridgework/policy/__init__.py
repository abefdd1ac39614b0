"""Who may do what: roles, projects, ownership, and where a probe may go."""
