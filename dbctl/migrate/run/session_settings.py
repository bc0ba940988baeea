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
_READ = f"""
select
    pg_catalog.current_setting('session_authorization'),
    pg_catalog.current_setting('role'),
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
    """What has been set in a session: its user, its role, and by JSON the other settings.

    A setting with a dot in its name, which belongs to no extension, is not among them: the server
    lists none.
    """

    user: str
    role: str
    settings: str

    @classmethod
    def read(cls, connection: Connection) -> SessionSettings:
        """Read them on a connection, in its transaction where it has one."""
        user, role, settings = drivers.query(connection, _READ)
        return cls(user, role, settings or "{}")

    def restore(self, connection: Connection) -> None:
        """Set again what is not as it was, for the session and the rest of the transaction."""
        drivers.query(
            connection,
            _WRITE.format(
                own=_OWN,
                user=literal(self.user),
                role=literal(self.role),
                settings=literal(self.settings),
            ),
        )
