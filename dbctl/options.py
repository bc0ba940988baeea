"""What every command shares: the output options, the settings, and how it is registered."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from dbctl.errors import ExitCode, RefusedError
from dbctl.output import Output, chosen_output, reserved_stdout
from dbctl.runtime import log_causes

FormatOption = Annotated[
    Output, typer.Option("--format", help="How to print the result.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show SQL, connections and causes on stderr.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; required in scripts.")]


def command(
    app: typer.Typer, name: str | None = None, **typer_options: Any
) -> Callable[[Callable[..., ExitCode]], Callable[..., ExitCode]]:
    """Register a function as a command of `app` that prints one result.

    The command takes `--format`, `--json` and `--verbose` beside the function's own parameters.
    The function is given the settings of this run as its first argument and returns the exit code.
    """

    def register(function: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
        app.command(name, **typer_options)(with_settings(function))
        return function

    return register


def with_settings(function: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Return `function` as Typer calls it: settings loaded, output format chosen.

    Nothing but its result is printed to stdout.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    shared = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, default, annotation in (
            ("format_", Output.TABLE, FormatOption),
            ("as_json", False, JsonOption),
            ("verbose", False, VerboseOption),
        )
    ]
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )

    def wrapper(
        context: typer.Context, *, format_: Output, as_json: bool, verbose: bool, **arguments: Any
    ) -> ExitCode:
        from dbctl.settings import load_settings

        chosen_output.set(Output.JSON if as_json else format_)
        if verbose:
            log_causes()
        with reserved_stdout():
            return function(load_settings(context.obj), **arguments)

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


def confirm(question: str, *, hint: str) -> None:
    """Ask on a terminal before something is lost.

    Returns when the answer is yes. Raises RefusedError, with `hint`, where nobody can be asked,
    and typer.Abort when the answer is no.
    """
    _require_terminal(hint)
    with _line_ended():
        agreed = typer.confirm(question, err=True)
    if not agreed:
        raise typer.Abort


def confirm_by_name(name: str, question: str, *, hint: str) -> None:
    """Ask on a terminal for `name` to be typed, before something is lost for good.

    Raises what `confirm` raises.
    """
    _require_terminal(hint)
    with _line_ended():
        typed = typer.prompt(question, err=True, default="", show_default=False)
    if name not in {typed, typed.strip()}:
        raise typer.Abort


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
