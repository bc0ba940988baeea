"""The driver's error behind what SQLAlchemy raises, on every version of it."""

from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.exc import DBAPIError, InvalidRequestError, StatementError

from dbctl.db.dsn import parse
from dbctl.db.failures import driver_error, sqlstate, statement_failed, without_password
from dbctl.errors import DbctlError, OperationFailed


class Psycopg(Exception):
    """An error as psycopg 3 raises it."""

    def __init__(self, state: str | None) -> None:
        super().__init__("refused")
        self.sqlstate = state


class Psycopg2(Exception):
    """An error as psycopg2 raises it."""

    def __init__(self, state: str | None) -> None:
        super().__init__("refused")
        self.pgcode = state


class Pg8000(Exception):
    """An error as pg8000 raises it: the fields of the server's answer."""

    def __init__(self, state: str) -> None:
        super().__init__({"S": "ERROR", "C": state, "M": "refused"})


def asyncpg_error(state: str) -> Exception:
    """Return the error that asyncpg makes of a server's answer."""
    error: Exception = asyncpg.PostgresError.new({"C": state, "M": "refused", "S": "ERROR"})
    return error


def emulated(driver: Exception) -> Exception:
    """Return the error that SQLAlchemy's asyncpg dialect makes of the driver's: 2.0 or 2.1."""
    kind: Any = dialect.AsyncAdapt_asyncpg_dbapi.ProgrammingError
    error: Exception = kind("refused")
    error.__cause__ = driver
    if hasattr(error, "orig"):
        error.orig = driver
    return error


def wrapped(driver: Exception) -> DBAPIError:
    return DBAPIError("select 1", {}, driver)


DRIVERS = [asyncpg_error("55P03"), Psycopg("55P03"), Psycopg2("55P03"), Pg8000("55P03")]


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: type(driver).__name__)
def test_sqlstate_of_each_driver_is_found_wrapped_or_not(driver: Exception) -> None:
    assert sqlstate(driver) == "55P03"
    assert sqlstate(wrapped(driver)) == "55P03"
    assert sqlstate(wrapped(emulated(driver))) == "55P03"


def test_sqlstate_of_a_cause_is_found_behind_an_error_that_has_none() -> None:
    outer = RuntimeError("a revision has failed")
    middle = Psycopg(None)
    outer.__cause__, middle.__cause__ = middle, wrapped(Psycopg2("40P01"))
    assert sqlstate(outer) == "40P01"


@pytest.mark.parametrize("error", [None, OSError(5, "no"), Psycopg2(None), wrapped(OSError())])
def test_sqlstate_of_an_error_without_one_is_none(error: BaseException | None) -> None:
    assert sqlstate(error) is None


def test_driver_error_is_what_the_driver_raised() -> None:
    driver = asyncpg_error("23505")
    assert driver_error(driver) is driver
    assert driver_error(wrapped(driver)) is driver
    assert driver_error(emulated(driver)) is driver
    assert driver_error(wrapped(emulated(driver))) is driver


def test_driver_error_of_a_value_that_cannot_be_bound_is_its_cause() -> None:
    reason = ValueError("no number")
    assert driver_error(StatementError("no number", "select 1", {}, reason)) is reason


def test_driver_error_without_a_driver_is_the_error_itself() -> None:
    error = InvalidRequestError("a mistake in the call")
    error.__cause__ = KeyError("x")
    assert driver_error(error) is error
    assert driver_error(bare := DBAPIError("select 1", {}, None)) is bare  # type: ignore[arg-type]


class PsycopgWithDetail(Psycopg2):
    """An error as psycopg raises it, with the fields of the server's answer."""

    def __init__(self, state: str, detail: str) -> None:
        super().__init__(state)
        self.diag = SimpleNamespace(message_detail=detail, message_hint=None)


def with_detail(driver: str, state: str, detail: str) -> Exception:
    fields = {"S": "ERROR", "C": state, "M": "refused", "D": detail}
    match driver:
        case "asyncpg":
            error: Exception = asyncpg.PostgresError.new(fields)
        case "pg8000":
            error = Pg8000(state)
            error.args = (fields,)
        case _:
            error = PsycopgWithDetail(state, detail)
    return error


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "pg8000"])
def test_failure_has_the_detail_of_each_driver_but_no_values_of_rows(driver: str) -> None:
    found = statement_failed(with_detail(driver, "2BP01", "view v depends on it.\nso does w"))
    assert found.message == "refused: view v depends on it; so does w (SQLSTATE 2BP01)"
    found = statement_failed(with_detail(driver, "23505", "Key (id)=(4711) already exists."))
    assert found.message == "refused (SQLSTATE 23505)"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("app", 'password authentication failed for user "app"'),
        ("e", 'password authentication failed for user "app"'),
        ("password", '*** authentication failed for user "app"'),
        ("user", 'password authentication failed for *** "app"'),
    ],
)
def test_refusal_password_that_is_a_name_or_a_letter_keeps_other_words(
    password: str, said: str
) -> None:
    dsn = parse(f"postgresql://app:{password}@h/shop", environ={})
    assert without_password('password authentication failed for user "app"', dsn) == said


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (OSError(24, "Too many files", "a.sql"), OperationFailed, "Too many files: a.sql"),
        (FileNotFoundError(2, "No such file", "env.py"), OperationFailed, "No such file: env.py"),
        (UnicodeDecodeError("utf-8", b"d\xe9j\xe0", 1, 2, "bad"), OperationFailed, r"d\xe9j\xe0"),
    ],
)
def test_failure_of_a_file_or_a_text_is_no_lost_connection(
    error: Exception, expected: type[DbctlError], said: str
) -> None:
    failed = statement_failed(error)
    assert type(failed) is expected
    assert failed.message.startswith(said)
