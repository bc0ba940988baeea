"""The revisions of the checkout: find them, read them, put Alembic's refusals into words."""

import io
import warnings
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads
from alembic.util import CommandError

from dbctl.db.metadata import PROJECT_CODE_ERRORS, located, make_importable
from dbctl.db.names import listed
from dbctl.errors import ConfigurationError, ErrorCode, FindingError, UsageError
from dbctl.migrate.config_files import config_files
from dbctl.migrate.results import Direction, Revision, State
from dbctl.redaction import scrub
from dbctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Checkout:
    """The revisions of a checkout, and the configuration that Alembic runs them with."""

    config: Config
    scripts: ScriptDirectory
    bundled: bool

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that revisions are looked for in; `versions` is for a single one."""
        return tuple(map(str, self.scripts._version_locations))

    @property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other one comes after, sorted."""
        return tuple(sorted(self.scripts.get_heads()))

    def knows(self, revision: str) -> bool:
        """Tell whether `revision`, in full, is one of the checkout's."""
        try:
            found = self.scripts.get_revision(revision)
        except CommandError:
            return False
        return found is not None and found.revision == revision

    def pending(self, current: Sequence[str]) -> list[Script]:
        """Return the revisions that a database at `current` lacks, as they are applied.

        One that another depends on is not recorded beside it, and is not lacking.
        """
        found = self.scripts.iterate_revisions(
            "heads", tuple(current) or "base", implicit_base=True
        )
        return list(reversed(list(found)))

    def path(self, lower: Sequence[str], upper: Sequence[str]) -> list[Script]:
        """Return the revisions above `lower` up to and with `upper`, as they are applied."""
        found = self.scripts.iterate_revisions(
            tuple(upper), tuple(lower) or "base", implicit_base=True
        )
        return list(reversed(list(found)))


def open_checkout(settings: Settings) -> Checkout:
    """Read the revision files.

    Raises ConfigurationError where the folder or a file in it cannot be used.
    """
    config, scripts = open_scripts(settings)
    try:
        scripts.get_heads()  # reads every file
    except CommandError as error:
        raise _unusable(str(error)) from error
    except PROJECT_CODE_ERRORS as error:
        raise _unusable(f"a revision file cannot be loaded: {located(error)}") from error
    return Checkout(config, scripts, config_files(settings).bundled)


def open_scripts(settings: Settings) -> tuple[Config, ScriptDirectory]:
    """Return Alembic's configuration and the folder of env.py, without reading a revision.

    Raises ConfigurationError where there is no configuration, or it cannot be used.
    """
    files = config_files(settings)
    # Its env.py and its revisions may import it, as they do where Alembic runs in that folder.
    make_importable(settings)
    config = Config(
        files.ini,
        toml_file=files.toml,
        stdout=io.StringIO(),
        # stdout belongs to the result; an env.py may ask for the arguments of -x.
        cmd_opts=Namespace(quiet=True, x=None),
    )
    config.attributes["settings"] = settings
    try:
        return config, ScriptDirectory.from_config(config)
    except CommandError as error:
        raise _unusable(str(error)) from error
    except PROJECT_CODE_ERRORS as error:
        raise _unusable(f"Alembic's configuration cannot be used: {located(error)}") from error


def refuse_no_revisions(checkout: Checkout) -> None:
    """Raise FindingError where not one revision was found: nothing is known of the schema then."""
    if not checkout.heads:
        raise FindingError(
            f"no revisions were found in {listed(checkout.folders)}",
            hint=f"Now: {State.NO_REVISIONS.remedy}.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        )


def _unusable(message: str) -> ConfigurationError:
    return ConfigurationError(
        scrub(message),
        hint="Correct the migration scripts; `alembic history` shows them as Alembic does.",
        code=ErrorCode.MIGRATION_SCRIPTS,
    )


@contextmanager
def refusals(checkout: Checkout, target: str) -> Iterator[None]:
    """Turn Alembic's refusal of `target` into a UsageError that names what is there."""
    try:
        yield
    except CommandError as error:
        import difflib

        known = [script.revision for script in checkout.scripts.walk_revisions()]
        nearest = difflib.get_close_matches(target, known, n=3)
        hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
        hint += "`dbctl migrate history` lists the revisions."
        if isinstance(error.__cause__, MultipleHeads):
            hint = "Merge them (`alembic merge heads`), or name one; `heads` means all of them."
        raise UsageError(
            str(error).splitlines()[0],
            hint=hint,
            code=ErrorCode.NOT_FOUND,
        ) from error


def steps(
    checkout: Checkout, direction: Direction, target: str, heads: Iterable[str]
) -> list[RevisionStep]:
    """Return Alembic's steps from the revisions `heads` to `target`, in the order they are run.

    Raises UsageError for a target that does not exist or does not lie in that direction, and
    FindingError where one of `heads` is not in the checkout. The two private methods are what
    `alembic.command.upgrade` and `downgrade` are made of; no public one takes the heads of a
    database.
    """
    current = tuple(heads)
    for revision in current:
        if not checkout.knows(revision):
            raise FindingError(
                f"the database is at revision {revision}, which this checkout does not have",
                hint="Check out the code that was deployed there, or `dbctl migrate stamp REV`.",
            )
    with refusals(checkout, target), _functions_required():
        if direction == "up":
            return list(checkout.scripts._upgrade_revs(target, current))  # type: ignore[arg-type]
        with warnings.catch_warnings(record=True) as ambiguities:
            warnings.simplefilter("always")
            found = list(checkout.scripts._downgrade_revs(target, current))  # type: ignore[arg-type]
    if ambiguities:
        raise UsageError(
            f"{target} is ambiguous: the database is at {named(current)}",
            hint="Name the revision to go back to, or a branch (`BRANCH@-1`).",
        )
    return found


@contextmanager
def _functions_required() -> Iterator[None]:
    """Turn the want of a function in a revision file into a ConfigurationError."""
    try:
        yield
    except AttributeError as error:
        raise _unusable(f"a revision file lacks what is to be run: {error}") from error


def describe(script: Script) -> Revision:
    """Return the facts about one revision file."""
    return Revision(
        revision=script.revision, message=script.doc or "", down_revisions=parents(script)
    )


def parents(script: Script) -> tuple[str, ...]:
    """Return the revisions that come directly before `script`."""
    down = script.down_revision
    if down is None:
        return ()
    return (down,) if isinstance(down, str) else tuple(down)


def named(revisions: Iterable[str]) -> str:
    """Return revisions for people; none is Alembic's `base`."""
    return ", ".join(sorted(revisions)) or "base"
