"""Resolve the settings and the endpoints they lead to."""

from dbctl.config.parts import parts
from dbctl.config.results import Config, Purpose, Route, Setting
from dbctl.db.dsn import redact
from dbctl.db.endpoints import Endpoint, FindInProject, embedded_branch, embedded_server, named
from dbctl.settings import SECRETS, Settings, variable_name


def resolve(settings: Settings, find_in_project: FindInProject | None = None) -> Config:
    """Describe every setting and both routes.

    `find_in_project` is asked for the database where neither the settings nor the ini name one.

    Raises ConfigurationError for a connection string that cannot be used, and where staging or
    production name none.
    """
    endpoints = named(settings, find_in_project)
    branch = None
    if endpoints is None:
        branch, endpoints = embedded_branch(settings, embedded_server(settings))
    reads, migrations = endpoints.reads, endpoints.migrations
    return Config(
        project=settings.project,
        settings=tuple(_setting(settings, field) for field in type(settings).model_fields),
        routes=(
            _route("reads", reads, embedded=endpoints.embedded),
            _route("migrations", migrations, embedded=endpoints.embedded),
        ),
        parts=parts(settings),
        branch=branch.name if branch else None,
        branch_origin=branch.origin if branch else None,
    )


def _setting(settings: Settings, field: str) -> Setting:
    value = getattr(settings, field)
    if field == "connect_deadline":
        value = settings.deadline  # its default depends on the environment
    elif field in SECRETS and value is not None:
        value = redact(value.get_secret_value())
    elif isinstance(value, tuple):
        value = " ".join(value) or None
    elif not isinstance(value, int | float | None):
        value = str(value)
    return Setting(name=variable_name(field), value=value, source=settings.source_of(field))


def _route(purpose: Purpose, endpoint: Endpoint, *, embedded: bool) -> Route:
    where = "pooled" if endpoint.dsn.pooled else "direct"
    return Route(
        purpose=purpose,
        kind="embedded" if embedded else where,
        url=endpoint.dsn.redacted(),
        origin=endpoint.origin,
    )
