"""The base of every typed result, and of the errors that scripts read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dbctl.errors import DbctlError, ErrorCode, ExitCode


class ErrorBody(BaseModel):
    """What went wrong, for scripts: `code` is one of `ErrorCode`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    code: ErrorCode
    message: str
    hint: str | None
    exit_code: ExitCode = Field(exclude=True)

    @classmethod
    def of(cls, error: DbctlError) -> "ErrorBody":
        """Describe `error`."""
        return cls(
            code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code
        )


class ErrorDocument(BaseModel):
    """The JSON document of a command that failed."""

    error: ErrorBody


class Result(BaseModel):
    """The typed outcome of an operation; every format is made from it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that this outcome means."""
        return ExitCode.OK

    def document(self) -> BaseModel:
        """Return what is printed as JSON, where the field has a shape of its own for it."""
        return self

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the rows of the CSV form: the result itself unless it is a list of something."""
        return [self.model_dump(mode="json")]

    def columns(self) -> Sequence[str] | None:
        """Return the header of the CSV form, where it has to be known without a row."""
        return None


class FallibleResult(Result):
    """A result that is worth having although the operation failed before its end."""

    # A script may look for the key alone.
    error: ErrorBody | None = Field(default=None, exclude_if=lambda error: error is None)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the error, if there is one."""
        return self.error.exit_code if self.error else ExitCode.OK
