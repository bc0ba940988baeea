"""The SQL that lets a role see more."""


def all_stats(role: str) -> str:
    """Return what a superuser runs so that `role`, a quoted name, sees what all sessions do."""
    return f"GRANT pg_read_all_stats TO {role};"
