"""The base of every typed result, and of the errors that scripts read."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_serializer

from dbctl.errors import DbctlError, ErrorCode, ExitCode

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


class ErrorBody(BaseModel):
    """What went wrong, for scripts: `code` is one of `ErrorCode`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    code: ErrorCode
    message: str
    hint: str | None
    exit_code: ExitCode = Field(exclude=True)
    _error: DbctlError | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, error: DbctlError) -> "ErrorBody":
        """Describe `error`."""
        body = cls(
            code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code
        )
        body._error = error
        return body

    @property
    def exception(self) -> DbctlError | None:
        """The error that is described; None for a description that was read from JSON."""
        return self._error


class ErrorDocument(BaseModel):
    """The JSON document of a command that failed."""

    error: ErrorBody


def in_ascii(document: str) -> str:
    """Return the same JSON, or a part of it, in characters that every stream can write.

    pydantic has `model_dump_json(ensure_ascii=…)` only from 2.12 on.
    """
    return _BEYOND_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], document)


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


def without_none(field: str) -> Any:
    """Return a model serializer that leaves `field` out where it is None.

    `Field(exclude_if=…)` does the same, from pydantic 2.12 on.
    """

    # Without annotations, as that of the return value would take the place of the JSON Schema.
    def serialize(self, write):  # type: ignore[no-untyped-def]
        written = write(self)
        if written.get(field, ...) is None:
            del written[field]
        return written

    return model_serializer(mode="wrap")(serialize)


class FallibleResult(Result):
    """A result that is worth having although the operation failed before its end."""

    # A script may look for the key alone.
    error: ErrorBody | None = None
    _serialize = without_none("error")

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the error, if there is one."""
        return self.error.exit_code if self.error else ExitCode.OK

    def completed(self) -> Self:
        """Return this result; raise its error where it has one, with this as the error's result."""
        if self.error is not None and (error := self.error.exception) is not None:
            error.result = self
            raise error
        return self
