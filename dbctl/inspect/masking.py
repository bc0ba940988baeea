"""Which columns hold what nobody should read over a shoulder: marked, configured, or by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dbctl.db.failures import first_line
from dbctl.errors import ConfigurationError, ErrorCode, RefusedError
from dbctl.inspect.sensitive.configured import configured
from dbctl.inspect.sensitive.marked import marked
from dbctl.inspect.sensitive.names import secret_in
from dbctl.inspect.sensitive.patterns import Pattern, parse_pattern
from dbctl.settings import Environment, Settings

# What stands in place of a value.
MASK = "***"


@dataclass(frozen=True)
class Masks:
    """What is hidden.

    `columns` maps patterns, as `parse_pattern` reads them, to the reason. Where `by_name`, a name
    that tells of a secret is one, too, but for the patterns in `shown`.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    by_name: bool = True

    def reason(self, schema: str, table: str, column: str, type_: str | None = None) -> str | None:
        """Say why a column is hidden, None where it is not.

        `type_`, PostgreSQL's name of its type, clears names such as `token_valid` of a boolean.
        """
        for pattern, reason in self._hidden:
            if pattern.covers(schema, table, column):
                return reason
        if not self.by_name:
            return None
        secret = secret_in(column, type_, table)
        if secret is None or any(p.covers(schema, table, column) for p in self._shown):
            return None
        return f"its name says {secret}"

    @cached_property
    def _hidden(self) -> list[tuple[Pattern, str]]:
        return [(parse_pattern(text), reason) for text, reason in self.columns.items()]

    @cached_property
    def _shown(self) -> list[Pattern]:
        return [parse_pattern(text) for text in self.shown]


NOTHING_MASKED = Masks(by_name=False)


def masks_of(
    settings: Settings,
    *,
    reveal: bool = False,
    allow_production: bool = False,
    tell: Callable[[str], None] = lambda _text: None,
) -> Masks:
    """Return what the settings and the project's models hide; with `reveal`, nothing.

    `tell` is called with what a person should know. Where the models cannot be loaded, what they
    mark is not known: names and configuration still hold. Raises RefusedError where that are the
    models of DBCTL_MODELS, in production, and where something would be revealed in production and
    that is not allowed.
    """
    if reveal:
        check_reveal(settings, allow_production=allow_production, tell=tell)
        return NOTHING_MASKED
    chosen = configured(settings)
    columns = dict.fromkeys(_marked(settings, tell), "marked in the models")
    columns |= dict.fromkeys(chosen.hidden, "[tool.dbctl.mask] in pyproject.toml")
    return Masks(columns, chosen.shown)


def check_reveal(
    settings: Settings, *, allow_production: bool, tell: Callable[[str], None]
) -> None:
    """Raise RefusedError in production, unless that is allowed; `tell` is given a notice else."""
    if settings.environment is Environment.PRODUCTION and not allow_production:
        raise RefusedError(
            "--reveal shows personal data, and ENVIRONMENT is production",
            hint="Add --allow-production if that is what you want.",
            code=ErrorCode.PRODUCTION_GUARD,
        )
    if settings.environment.is_deployed:
        tell(f"revealed: what is masked otherwise, in {settings.environment}")


def _marked(settings: Settings, tell: Callable[[str], None]) -> tuple[str, ...]:
    try:
        return marked(settings)
    except ConfigurationError as error:
        unknown = f"which columns the models mark as personal is not known: {first_line(error)}"
        # Who names the models relies on their marks; an env.py may fail for want of anything.
        if settings.environment is Environment.PRODUCTION and settings.models is not None:
            raise RefusedError(
                unknown,
                hint="Correct DBCTL_MODELS; --reveal --allow-production looks without any mask.",
                code=ErrorCode.PRODUCTION_GUARD,
            ) from error
        tell(f"{unknown}; columns are masked by name and configuration only")
        return ()
