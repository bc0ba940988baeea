"""Every way dbctl can end, as data: exit codes, error codes and the exceptions that carry them."""

import copyreg
from enum import IntEnum, StrEnum
from typing import Any


class ExitCode(IntEnum):
    """The process exit codes; scripts rely on them, so a number never changes its meaning."""

    OK = 0
    FINDING = 1
    USAGE = 2
    UNREACHABLE = 3
    FAILED = 4
    REFUSED = 5
    BUG = 70
    SIGINT = 130
    SIGTERM = 143


class ErrorCode(StrEnum):
    """The closed set of values that `error.code` takes in JSON output."""

    BUG = "bug"
    CONFIGURATION = "configuration"
    CONFIRMATION_REQUIRED = "confirmation_required"
    CONNECTION_FAILED = "connection_failed"
    COST_GUARD = "cost_guard"
    DEADLINE = "deadline"
    DSN_INVALID = "dsn_invalid"
    EMBEDDED_FAILED = "embedded_failed"
    EMBEDDED_UNAVAILABLE = "embedded_unavailable"
    EXTENSION_MISSING = "extension_missing"
    INTERRUPTED = "interrupted"
    INVALID_INDEX = "invalid_index"
    LOCK_BUSY = "lock_busy"
    LOCK_LOST = "lock_lost"
    LOCK_TIMEOUT = "lock_timeout"
    MIGRATION_FAILED = "migration_failed"
    MIGRATION_SCRIPTS = "migration_scripts"
    MODELS_IMPORT = "models_import"
    NOT_FOUND = "not_found"
    NOT_READ_ONLY = "not_read_only"
    OPERATION_FAILED = "operation_failed"
    PLAN_CHANGED = "plan_changed"
    POOLED_ENDPOINT = "pooled_endpoint"
    PRODUCTION_GUARD = "production_guard"
    QUERY_FAILED = "query_failed"
    ROWS_INVALID = "rows_invalid"
    SCHEMA_BEHIND = "schema_behind"
    SEED_GUARD = "seed_guard"
    SERVER_IN_USE = "server_in_use"
    TAMPERED = "tampered"
    USAGE = "usage"


class DbctlError(Exception):
    """dbctl could not do what was asked.

    A subclass fixes the exit code and a default error code. `message` says what is wrong and
    where it came from, `hint` what to do next; neither may ever hold a secret. `result` is what
    the operation had done by then, where it has a result for that.
    """

    exit_code = ExitCode.FAILED
    code = ErrorCode.OPERATION_FAILED

    def __init__(
        self, message: str, *, hint: str | None = None, code: ErrorCode | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.result: Any = None
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle makes it from, whatever its constructor takes."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class FindingError(DbctlError):
    """The database is not in the state that the command needs."""

    exit_code = ExitCode.FINDING
    code = ErrorCode.SCHEMA_BEHIND


class UsageError(DbctlError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = ExitCode.USAGE
    code = ErrorCode.USAGE


class ConfigurationError(DbctlError):
    """A setting is missing or wrong."""

    exit_code = ExitCode.USAGE
    code = ErrorCode.CONFIGURATION


class ConnectionFailed(DbctlError):
    """The database cannot be reached or refuses the login."""

    exit_code = ExitCode.UNREACHABLE
    code = ErrorCode.CONNECTION_FAILED


class OperationFailed(DbctlError):
    """The operation failed and was undone: nothing is left half-done."""


class RefusedError(DbctlError):
    """A guard refused to run the command."""

    exit_code = ExitCode.REFUSED
    code = ErrorCode.CONFIRMATION_REQUIRED


class Interrupted(DbctlError):
    """A signal ended the command."""

    code = ErrorCode.INTERRUPTED

    def __init__(self, message: str, *, exit_code: ExitCode, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class DeadlinePassed(Interrupted):
    """The time that `--deadline` gives a command is over."""

    code = ErrorCode.DEADLINE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, exit_code=ExitCode.FAILED, hint=hint)
