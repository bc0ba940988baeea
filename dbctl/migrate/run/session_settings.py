"""The settings of the session that revisions run in: as they were, before each of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from dbctl.db import drivers
from dbctl.db.names import literal

# What a session can set, and a transaction does not need for itself.
_OWN = """
    s.context operator(pg_catalog.=) any ('{user,superuser}'::pg_catalog.text[])
    and s.name operator(pg_catalog.!~) '^transaction_(isolation|read_only|deferrable)$'
"""
# What is compared after every revision: all settings take a millisecond, these a tenth.
_USUAL = (
    "session_authorization", "role", "search_path", "lock_timeout", "statement_timeout",
    "idle_in_transaction_session_timeout", "check_function_bodies", "client_encoding",
    "client_min_messages", "datestyle", "default_table_access_method", "default_tablespace",
    "default_transaction_isolation", "default_transaction_read_only", "intervalstyle",
    "row_security", "session_replication_role", "standard_conforming_strings",
    "synchronous_commit", "timezone", "xmloption",
)  # fmt: skip
USUAL = f"array[{', '.join(f"pg_catalog.current_setting('{name}')" for name in _USUAL)}]"
_READ = f"""
select {USUAL},
    (
        select pg_catalog.json_object_agg(s.name, s.setting)::pg_catalog.text
        from pg_catalog.pg_settings s
        where {_OWN} and s.setting operator(pg_catalog.<>) s.reset_val
    )
"""  # noqa: S608 - constants
# The role first, in what is tested once before the first row: it may see and set less than the
# others need.
_WRITE = """
select pg_catalog.count(
    pg_catalog.set_config(s.name, coalesce(was.value, s.reset_val), false)
)
from pg_catalog.pg_settings s
left join pg_catalog.json_each_text({settings}::pg_catalog.json) was
    on was.key operator(pg_catalog.=) s.name
where (select pg_catalog.concat(
        case when pg_catalog.current_setting('session_authorization')
                operator(pg_catalog.<>) {user}
            then pg_catalog.set_config('session_authorization', {user}, false) end,
        case when pg_catalog.current_setting('role') operator(pg_catalog.<>) {role}
            then pg_catalog.set_config('role', {role}, false) end
    )) is not null
    and {own}
    and s.setting operator(pg_catalog.<>) coalesce(was.value, s.reset_val)
"""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What has been set in a session: the `usual` settings, user and role first; the rest as JSON.

    A setting with a dot in its name, which belongs to no extension, is not among them: the server
    lists none.
    """

    usual: tuple[str, ...]
    settings: str

    @classmethod
    def read(cls, connection: Connection) -> SessionSettings:
        """Read them on a connection, in its transaction where it has one."""
        usual, settings = drivers.query(connection, _READ)
        return cls(tuple(usual), settings or "{}")

    def restore(self, connection: Connection) -> None:
        """Set again what is not as it was, for the session and the rest of the transaction."""
        user, role, *_ = self.usual
        drivers.query(
            connection,
            _WRITE.format(
                own=_OWN,
                user=literal(user),
                role=literal(role),
                settings=literal(self.settings),
            ),
        )
