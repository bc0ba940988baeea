"""What every command shares: the output options, the settings, and how it is registered."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from dbctl.destination import COMPLETE, written_to
from dbctl.errors import ExitCode, RefusedError, UsageError
from dbctl.interruption import set_deadline
from dbctl.output import Output, chosen_output, parquet_refused
from dbctl.streams import reserved_stdout

if TYPE_CHECKING:
    from dbctl.settings import Environment


def _file(text: str) -> Path:
    # A Path no longer tells it.
    if text.endswith(os.sep):
        raise typer.BadParameter(f"{text} is a folder, and not the name of a file in it")
    return Path(text)


# The name and the environment of the database that a command of this context works on.
_asked_about: ContextVar[tuple[str | None, "Environment | None"]] = ContextVar(
    "asked_about", default=(None, None)
)

FormatOption = Annotated[
    Output | None,
    typer.Option(
        "--format",
        help="How to print the result: vertical is a block per record, ndjson a line of JSON.",
        show_default="table",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
VerticalOption = Annotated[bool, typer.Option("-x", help="Short for --format vertical.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        parser=_file,
        help="Write there, whole or not at all, in the format of the file's name "
        "unless --format tells another.",
        show_default=False,
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show SQL, connections and causes on stderr.")
]


def _database_names() -> list[str]:
    from dbctl.named_databases import database_names
    from dbctl.project import find_project

    return list(database_names(find_project(Path.cwd())))


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="A database of tool.dbctl.databases in pyproject.toml, by its name.",
        metavar="NAME",
        autocompletion=_database_names,
        show_default=False,
    ),
]
DeadlineOption = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        min=0.1,
        metavar="S",
        help="Seconds for all of it, whatever the server and the network do; then exit 4.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; required in scripts.")]
WatchOption = Annotated[
    float | None,
    typer.Option(
        "--watch",
        min=0.2,
        metavar="SECONDS",
        help="Show it again and again: live on a terminal until q, elsewhere a line of JSON each.",
        show_default=False,
    ),
]


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    to_file: bool = False,
    parquet: bool = False,
    deadline: bool = False,
    sets: Mapping[str, Any] | None = None,
    tolerant: str | None = None,
    **typer_options: Any,
) -> Callable[[Callable[..., ExitCode]], Callable[..., ExitCode]]:
    """Register a function as a command of `app` that prints one result.

    The command takes `--format`, `--json`, `-x` and `--verbose` beside the function's own
    parameters, with `to_file` also `--output`, with `deadline` also `--deadline`; one of its own
    called `format_` takes the place of the shared formats, of which it may name some again. Without
    `parquet` that format is refused. `sets` are further options, by the setting that each sets for
    this run; with them `-x` is not short for a format. `tolerant` names the option of its own with
    which settings that cannot be used do not stop it: it finds them as `Settings.faults`.

    The function is given the settings of this run as its first argument and returns the exit code.
    """

    def register(function: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
        wrapped = with_settings(
            function,
            to_file=to_file,
            parquet=parquet,
            deadline=deadline,
            sets=sets,
            tolerant=tolerant,
        )
        app.command(name, **typer_options)(wrapped)
        return function

    return register


def alone(
    function: Callable[..., ExitCode],
    *,
    to_file: bool = False,
    deadline: bool = False,
    complete: frozenset[ExitCode] = COMPLETE,
) -> Callable[..., ExitCode | None]:
    """Return `function` as the callback of a group: it runs where no subcommand is named.

    The options are those of `with_settings`.
    """
    run = with_settings(function, to_file=to_file, deadline=deadline, complete=complete)
    signature = inspect.signature(run)

    def callback(context: typer.Context, **arguments: Any) -> ExitCode | None:
        if context.invoked_subcommand is None:
            return run(context, **arguments)
        given = [
            name for name, value in arguments.items() if value != signature.parameters[name].default
        ]
        if given:
            raise UsageError(
                f"the options before {context.invoked_subcommand} are not its own",
                hint=f"Write them after it: `{context.command_path} "
                f"{context.invoked_subcommand} --help` shows which it takes.",
            )
        return None

    callback.__doc__ = function.__doc__
    callback.__signature__ = signature  # type: ignore[attr-defined]
    callback.__annotations__ = run.__annotations__
    return callback


def with_settings(
    function: Callable[..., ExitCode],
    *,
    to_file: bool = False,
    parquet: bool = False,
    deadline: bool = False,
    complete: frozenset[ExitCode] = COMPLETE,
    sets: Mapping[str, Any] | None = None,
    tolerant: str | None = None,
) -> Callable[..., ExitCode]:
    """Return `function` as Typer calls it: settings loaded, output format chosen.

    Nothing but its result is printed to stdout, or to the file in its place, which is kept where
    the exit code means a `complete` result.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    forms = _forms(own)
    has_own_format = forms is not Output
    shared = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, default, annotation in (
            *([] if has_own_format else [("format_", None, FormatOption)]),
            ("as_json", False, JsonOption),
            *(
                [("as_vertical", False, VerticalOption)]
                if Output.VERTICAL in forms and not sets
                else []
            ),
            *((field, None, option) for field, option in (sets or {}).items()),
            *([("file", None, OutputOption)] if to_file else []),
            *([("deadline", None, DeadlineOption)] if deadline else []),
            ("database", None, DatabaseOption),
            ("verbose", False, VerboseOption),
        )
    ]
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )

    def wrapper(
        context: typer.Context,
        *,
        as_json: bool,
        as_vertical: bool = False,
        file: Path | None = None,
        database: str | None = None,
        verbose: bool,
        **arguments: Any,
    ) -> ExitCode:
        from dbctl.settings import load_settings

        if deadline and (seconds := arguments.pop("deadline")) is not None:
            set_deadline(seconds)
        flags = (context.obj or {}) | {field: arguments.pop(field) for field in sets or ()}
        if database is not None:
            flags["database"] = database
        format_ = arguments.get("format_") if has_own_format else arguments.pop("format_")
        _check_formats(format_, as_json=as_json, as_vertical=as_vertical)
        output = _chosen(forms, format_, file, as_json=as_json, as_vertical=as_vertical)
        chosen_output.set(output)
        if output is Output.PARQUET and not parquet:
            raise parquet_refused()
        if verbose:
            from dbctl.logs import log_causes

            log_causes()
        with reserved_stdout(), written_to(file, complete) as kept:
            try:
                settings = load_settings(
                    flags,
                    env_file=flags.pop("env_file", None),
                    tolerant=tolerant is not None and bool(arguments[tolerant]),
                )
                _asked_about.set((settings.database, settings.environment))
                return kept(function(settings, **arguments))
            except BaseException:
                if format_ is None and not as_json:  # a script would have asked for JSON itself
                    chosen_output.set(Output.TABLE)
                raise

    parameters = [
        context,
        *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
        *shared,
    ]
    wrapper.__name__ = function.__name__
    wrapper.__doc__ = function.__doc__
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _forms(parameters: list[inspect.Parameter]) -> type[StrEnum]:
    """Return the formats that a function names itself, those that all share where it does not."""
    for parameter in parameters:
        if parameter.name == "format_":
            optional, *_ = get_args(parameter.annotation)
            own: type[StrEnum] = get_args(optional)[0]
            return own
    return Output


def _chosen(
    forms: type[StrEnum],
    form: StrEnum | None,
    file: Path | None,
    *,
    as_json: bool,
    as_vertical: bool,
) -> Output:
    """Return the shared format to print in; what is another one is printed as the table is."""
    if as_json:
        return Output.JSON
    if as_vertical:
        return Output.VERTICAL
    chosen = form or Output.of(file)
    return Output(chosen) if chosen and chosen in Output and chosen in forms else Output.TABLE


def _check_formats(format_: str | None, *, as_json: bool, as_vertical: bool) -> None:
    """Raise UsageError where the options ask for two formats."""
    asked = {
        "--json": Output.JSON if as_json else None,
        "-x": Output.VERTICAL if as_vertical else None,
        f"--format {format_}": format_,
    }
    given = [option for option, output in asked.items() if output is not None]
    if len({str(asked[option]) for option in given}) > 1:
        raise UsageError(
            f"{given[0]} and {given[1]} do not go together", hint="Leave one of them out."
        )


def confirm(question: str, *, hint: str) -> None:
    """Ask on a terminal before something is lost; a database that was picked by name is shown.

    Returns when the answer is yes. Raises RefusedError, with `hint`, where nobody can be asked,
    and typer.Abort when the answer is no.
    """
    _require_terminal(hint)
    _show_database()
    with _line_ended():
        agreed = typer.confirm(question, err=True)
    if not agreed:
        raise typer.Abort


def confirm_by_name(name: str, question: str, *, hint: str) -> None:
    """Ask on a terminal for `name` to be typed, before something is lost for good.

    Raises what `confirm` raises.
    """
    _require_terminal(hint)
    _show_database()
    with _line_ended():
        typed = typer.prompt(question, err=True, default="", show_default=False)
    if name not in {typed, typed.strip()}:
        raise typer.Abort


def _show_database() -> None:
    """Print which database is meant, where it has a name or people depend on it."""
    name, environment = _asked_about.get()
    if name is None and not (environment and environment.is_deployed):
        return
    from rich.text import Text

    from dbctl.rendering import console

    style = {"production": "bold white on red", "staging": "bold black on yellow"}
    label = f" {name or 'database'} · {environment} "
    console(stderr=True).print(Text(label, style.get(str(environment), "bold cyan")))


def _require_terminal(hint: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("nobody can be asked here: this is not a terminal", hint=hint)


@contextmanager
def _line_ended() -> Iterator[None]:
    """End the line of a question that Ctrl-C or Ctrl-D leaves open."""
    try:
        yield
    except BaseException:
        sys.stderr.write("\n")
        raise
