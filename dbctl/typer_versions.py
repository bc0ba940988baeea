"""What Typer names differently from version to version; checked on 0.15.4 to 0.29.2.

Up to 0.25 its errors are those of Click, from 0.26 on those of a copy of Click inside Typer, and
from 0.28 on `typer.TyperException` is the base of them all.
"""

from typing import Any

import typer
import typer.core

from dbctl.errors import ExitCode

# The class below Exception that every error of a command line which does not parse derives from.
CommandLineError: type[Exception] = [
    base for base in typer.BadParameter.__mro__ if issubclass(base, Exception)
][-2]


class Group(typer.core.TyperGroup):
    """A group that ends with the exit code of usage where it is given nothing and shows its help.

    Click does so from 8.2 on; before, which Typer up to 0.25 may run on, it ends with 0.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what follows the name of the group."""
        has_arguments = bool(args)
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as error:
            if has_arguments:
                raise
            raise typer.Exit(ExitCode.USAGE) from error


def has_printed_help(error: Exception) -> bool:
    """Return whether the error stands for a command without arguments, which printed its help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def error_message(error: Exception) -> str:
    """Return the message of a CommandLineError as Typer would print it."""
    message: str = error.format_message()  # type: ignore[attr-defined]
    return message


def command_path(error: Exception) -> str:
    """Return the command that a CommandLineError arose in, such as `dbctl migrate up`."""
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context is not None else "dbctl"
