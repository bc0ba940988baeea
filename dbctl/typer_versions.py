"""What Typer names differently from version to version; checked on 0.15.4 to 0.29.2.

Up to 0.25 its errors are those of Click, from 0.26 on those of a copy of Click inside Typer, and
from 0.28 on `typer.TyperException` is the base of them all.
"""

import typer

# The class below Exception that every error of a command line which does not parse derives from.
CommandLineError: type[Exception] = [
    base for base in typer.BadParameter.__mro__ if issubclass(base, Exception)
][-2]


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
