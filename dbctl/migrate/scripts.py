"""The revisions of the checkout: find them, read them, put Alembic's refusals into words."""

import io
import warnings
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads, RevisionError
from alembic.util import CommandError
from sqlalchemy import URL

from dbctl.db.dsn import Dsn
from dbctl.db.endpoints import PROJECT_ORIGINS
from dbctl.db.metadata import PROJECT_CODE_ERRORS, located, make_importable
from dbctl.db.names import listed, literal
from dbctl.errors import ConfigurationError, ErrorCode, FindingError, UsageError
from dbctl.migrate.config_files import bundled_config, config_files
from dbctl.migrate.results import Direction, Revision, State
from dbctl.migrate.revision_files import FilesError, file_of, fitting
from dbctl.migrate.run.env_thread import in_folder, make_path_absolute
from dbctl.migrate.run.logging_guard import logging_untouched
from dbctl.migrate.run.url import driver_for, named_driver, real_url, url_for, variables_for
from dbctl.migrate.store import VersionStore
from dbctl.redaction import scrub
from dbctl.settings import Settings

if TYPE_CHECKING:
    from dbctl.migrate.run.learn import Learned
    from dbctl.migrate.run.record import EnvRecord


def _shipped_env() -> Path:
    folder = bundled_config().parent
    return folder / "alembic" / "env.py"


@dataclass(slots=True)
class Checkout:
    """The revisions of a checkout, and the configuration that Alembic runs them with.

    `folder` is where `alembic` would be started. `variables` are set while env.py runs, `origin`
    names what the database was taken from. `learned` is what env.py said, once it was run; only
    then `store` is sure to be where the database records which revisions it has. `glimpsed` is what
    an env.py had said before it failed.
    """

    config: Config
    scripts: ScriptDirectory
    bundled: bool
    settings: Settings
    store: VersionStore
    ini_url: URL | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    origin: str = "env.py"
    learned: "Learned | None" = None
    glimpsed: "Learned | None" = None

    @property
    def folder(self) -> Path:
        """The root folder of the project."""
        return self.settings.project

    @property
    def env_py(self) -> Path:
        """The file that Alembic runs."""
        return Path(self.scripts.dir) / "env.py"

    @property
    def env_label(self) -> str:
        """The name of env.py for people, below the project."""
        inside = self.env_py.is_relative_to(self.folder)
        return str(self.env_py.relative_to(self.folder) if inside else self.env_py)

    def point_at(self, dsn: Dsn, origin: str) -> None:
        """Let an env.py that reads `sqlalchemy.url` or DATABASE_URL find `dsn`, in memory.

        What the project itself names is left as it is.
        """
        self.origin = origin
        if origin in PROJECT_ORIGINS:
            return
        driver = driver_for(self.env_py, self.ini_url)
        if not self.config.get_main_option("databases"):  # each has a section of its own
            url = url_for(dsn, driver)
            self.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        secret = self.settings.database_url
        raw = secret.get_secret_value() if secret else None
        self.variables = variables_for(dsn, raw, driver)

    @property
    def expected_driver(self) -> str:
        """The driver that env.py is likely to open, where it was not seen to."""
        if self.ini_url is not None and "+" in self.ini_url.drivername:
            return self.ini_url.drivername.partition("+")[2].removesuffix("_async")
        secret = self.settings.database_url
        named = named_driver(secret.get_secret_value()) if secret is not None else None
        return named or driver_for(self.env_py, self.ini_url)

    @property
    def has_shipped_env(self) -> bool:
        """Whether env.py is, byte for byte, the one that ships with dbctl."""
        try:
            return self.env_py.read_bytes() == _shipped_env().read_bytes()
        except OSError:
            return False

    def store_for(self, record: "EnvRecord") -> VersionStore:
        """Return where a database that env.py configures as `record` keeps its version."""
        return VersionStore(
            version_table=record.version_table,
            version_schema=record.version_schema,
            schema=self.settings.own_schema,
        )

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that revisions are looked for in; `versions` is for a single one."""
        return tuple(map(str, self.scripts._version_locations))

    @property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other one comes after, sorted."""
        return tuple(sorted(self.scripts.get_heads()))

    def file_of(self, script: Script) -> str:
        """Return the file of a revision for people, below the project."""
        return file_of(script, self.folder)

    def knows(self, revision: str) -> bool:
        """Tell whether `revision`, in full, is one of the checkout's."""
        try:
            found = self.scripts.get_revision(revision)
        except CommandError:
            return False
        return found is not None and found.revision == revision

    def standing(self, current: Sequence[str]) -> tuple[str, ...]:
        """Return a version, all of which the checkout knows, without its stale rows.

        Those are of a revision that another one of it comes after, and what it has twice.
        """
        once = tuple(dict.fromkeys(current))
        try:
            self.path((), once)
        except RevisionError:  # Alembic refuses such a version, and says so of it alone
            below = {
                script.revision
                for revision in once
                for script in self.path((), (revision,))
                if script.revision != revision
            }
            return tuple(revision for revision in once if revision not in below)
        return once

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
    """Read the revision files, once for a run of dbctl.

    Raises ConfigurationError where the folder or a file in it cannot be used.
    """
    return settings.once("revisions", lambda: _read(open_env(settings)))


def open_env(settings: Settings) -> Checkout:
    """Return the checkout without reading a revision, which env.py can be run without.

    It is the one that `open_checkout` returns. Raises what `open_scripts` raises.
    """
    return settings.once("checkout", lambda: _open(settings))


def _open(settings: Settings) -> Checkout:
    config, scripts = open_scripts(settings)
    url = real_url(config.get_main_option("sqlalchemy.url"))
    store = VersionStore(schema=settings.own_schema)
    return Checkout(config, scripts, config_files(settings).bundled, settings, store, url)


def _read(checkout: Checkout) -> Checkout:
    try:
        with logging_untouched(), fitting(checkout.scripts, checkout.folder):
            checkout.scripts.get_heads()  # reads every file
    except FilesError as error:
        raise _unusable(str(error), hint=error.hint) from error
    except CommandError as error:
        raise _unusable(str(error)) from error
    except PROJECT_CODE_ERRORS as error:
        raise _unusable(f"a revision file cannot be loaded: {located(error)}") from error
    return checkout


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
        ini_section=settings.alembic_name,
        stdout=io.StringIO(),
        cmd_opts=_options(settings),
    )
    config.attributes["settings"] = settings
    try:
        # Relative folders of the ini count from where `alembic` would be started.
        with in_folder(settings.project):
            defaults = config.file_config["DEFAULT"]
            # Alembic takes a % in the folder's name for an interpolation.
            defaults["here"] = config.config_args["here"].replace("%", "%%")
            if (
                files.ini is not None
                and not config.get_main_option("script_location")
                and (files.ini.parent / "env.py").is_file()
            ):
                # Flask-Migrate names the folder itself, and not in the ini that it has put there.
                folder = str(files.ini.parent).replace("%", "%%")
                config.set_main_option("script_location", folder)
            scripts = ScriptDirectory.from_config(config)
            make_path_absolute()
            scripts.dir = str(Path(scripts.dir).absolute())
            return config, scripts
    except CommandError as error:
        raise _unusable(str(error)) from error
    except PROJECT_CODE_ERRORS as error:
        raise _unusable(f"Alembic's configuration cannot be used: {located(error)}") from error


def _options(settings: Settings) -> Namespace:
    """Return what `alembic upgrade` would have of its command line, as env.py finds it.

    Quiet, for stdout belongs to the result.
    """
    return Namespace(
        quiet=True,
        x=list(settings.alembic_x),
        name=settings.alembic_name,
        raiseerr=False,
        sql=False,
        tag=None,
        cmd=(command.upgrade, ["revision"], ["sql", "tag"]),
        revision="head",
    )


def refuse_no_revisions(checkout: Checkout) -> None:
    """Raise FindingError where not one revision was found: nothing is known of the schema then."""
    if not checkout.heads:
        raise FindingError(
            f"no revisions were found in {listed(checkout.folders)}",
            hint=f"Run {State.NO_REVISIONS.remedy}.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        )


def _unusable(message: str, *, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(
        scrub(message),
        hint=hint or "Correct the migration scripts; `alembic history` shows them as Alembic does.",
        code=ErrorCode.MIGRATION_SCRIPTS,
    )


@contextmanager
def refusals(
    checkout: Checkout, target: str, current: Sequence[str] | None = None
) -> Iterator[None]:
    """Turn Alembic's refusal of `target` into a UsageError that names what is there.

    `current` are the revisions to go from, where that matters.
    """
    try:
        yield
    except CommandError as error:
        if current is not None and (refused := _out_of_reach(checkout, target, current, error)):
            raise refused from error
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


def _out_of_reach(
    checkout: Checkout, target: str, current: Sequence[str], error: CommandError
) -> UsageError | None:
    """Describe why a target that exists, or that counts revisions, cannot be reached from here."""
    text, here = str(error), named(current)
    applied = checkout.path((), current) if current else []
    if "Ambiguous walk" in text and (merge := _first_merge(checkout, current)) is not None:
        above = [checkout.scripts.get_revision(parent) for parent in parents(merge)]
        files = [f"{each.revision} ({checkout.file_of(each)})" for each in above if each]
        return UsageError(
            f"{target} is ambiguous: {merge.revision} ({checkout.file_of(merge)}) merges "
            f"{' and '.join(files)}",
            hint="Name the revision to go back to: one of them reverts the merge alone, and one "
            "before both reverts them as well.",
        )
    if not current and target.startswith("-"):
        return UsageError(
            f"there is nothing to revert by {target}: the database is at base, no revision is "
            "applied",
            hint="`dbctl migrate status` shows where it is.",
        )
    if "didn't produce" in text:
        there = f"{len(applied)} revision{'' if len(applied) == 1 else 's'}"
        if target.startswith("-"):
            what = f"the database is at {here}, with {there} applied"
        else:
            pending = len(checkout.pending(current))
            what = f"the database is at {here}, with {pending} pending"
        return UsageError(
            f"{target} goes further than there are revisions: {what}",
            hint="`base` reverts all of them, and `head` applies all.",
            code=ErrorCode.NOT_FOUND,
        )
    if "not a valid downgrade target" in text:
        return UsageError(
            f"there is nothing to revert down to {target}: the database is at {here}, which does "
            "not come after it",
            hint="`dbctl migrate history` lists the revisions, and which of them are applied.",
            code=ErrorCode.NOT_FOUND,
        )
    return None


def _first_merge(checkout: Checkout, current: Sequence[str]) -> Script | None:
    """Return the newest applied revision that comes after several others."""
    applied = reversed(checkout.path((), current))
    return next((script for script in applied if len(parents(script)) > 1), None)


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
    if current and (stale := stale_rows(checkout, current)):
        raise FindingError(
            f"the version table has {named(current)}: {named(stale)} should not be there, as "
            f"{named(checkout.standing(current))} comes after it or is there already",
            hint=f"First: {correction(checkout, current)}.",
        )
    with refusals(checkout, target, current), _functions_required():
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


def stale_rows(checkout: Checkout, current: Sequence[str]) -> tuple[str, ...]:
    """Return the rows of a version, all known, that the version table should not have."""
    left = list(checkout.standing(current))
    stale = []
    for revision in current:
        if revision in left:
            left.remove(revision)
        else:
            stale.append(revision)
    return tuple(stale)


def correction(checkout: Checkout, current: Sequence[str]) -> str:
    """Return what leaves a version that has stale rows without them."""
    standing = checkout.standing(current)
    if len(standing) == 1:
        return f"dbctl migrate stamp {standing[0]}"
    rows = ", ".join(literal(revision) for revision in stale_rows(checkout, current))
    table = checkout.store.version_name
    return f"DELETE FROM {table} WHERE version_num IN ({rows})"  # noqa: S608 - for people


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
