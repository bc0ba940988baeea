"""Start a project, or adopt the one that is there."""
