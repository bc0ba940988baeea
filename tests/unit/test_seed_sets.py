"""Seed sets without a database: what is surely the same, what is imported, what is shown."""

import io
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from dbctl.rendering import console
from dbctl.seed import keyed
from dbctl.seed.sets import views
from dbctl.seed.sets.compare import surely_same
from dbctl.seed.sets.results import Change, RowState, SetResult, SetRow


class Mood(StrEnum):
    OK = "ok"


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    "value",
    ["a", "", 1, 1.5, True, None, Decimal("1.50"), UUID(int=1), b"\x00", Mood.OK, [], [1, "a"],
     {"a": [None, {"b": 1}]}, datetime(2026, 1, 1, tzinfo=UTC), time(1, tzinfo=EAST)],
)  # fmt: skip
def test_a_value_is_surely_the_same_as_itself(value: object) -> None:
    assert surely_same(value, value)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("a", "b"),
        (1, 2),
        (1, True),
        (1, 1.0),
        (1.0, Decimal(1)),
        ("ok", Mood.OK),
        (None, ""),
        ("", None),
        ([1], [True]),
        ([1, 2], [1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 1.0}),
        (time(1, tzinfo=UTC), time(3, tzinfo=EAST)),
        (object(), object()),
    ],
)
def test_whatever_may_differ_is_left_to_the_database(given: object, found: object) -> None:
    assert not surely_same(given, found)


def test_one_instant_is_the_same_in_every_time_zone() -> None:
    assert surely_same(datetime(2026, 1, 1, 2, tzinfo=EAST), datetime(2026, 1, 1, tzinfo=UTC))


def test_a_set_imports_next_to_nothing_for_its_keys() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, dbctl.seed; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"sqlalchemy", "pydantic", "typer", "asyncpg"} & set(done.stdout.split())


def test_what_is_kept_may_be_one_name() -> None:
    assert keyed(1, "a", keep="due").keep == keyed(1, "a", keep=["due"]).keep == {"due"}


def result(rows: list[SetRow], *, plan: bool = False) -> SetResult:
    states = [row.state for row in rows]
    return SetResult(
        set_name="demo",
        database="here",
        plan=plan,
        deleted=states.count(RowState.DELETED),
        kept=states.count(RowState.KEPT),
        created=states.count(RowState.CREATED),
        updated=states.count(RowState.UPDATED),
        unchanged=states.count(RowState.UNCHANGED),
        affected=(),
        rows=tuple(rows),
        notices=(),
    )


def shown(rows: list[SetRow], width: int = 80) -> str:
    stream = io.StringIO()
    out = console(stream)
    out.width = width
    out.print(views.written(result(rows)))
    return stream.getvalue()


def row(number: int, state: RowState, **more: object) -> SetRow:
    facts = {"table": "public.t", "key": f"id={number}", "label": "", "state": state} | more
    return SetRow.model_validate(facts)


def test_a_large_set_shows_its_tables_and_what_is_not_as_it_was() -> None:
    rows = [row(number, RowState.UNCHANGED) for number in range(500)]
    rows += [row(number, RowState.CREATED) for number in range(500, 600)]
    text = shown(rows)
    assert "id=499" not in text
    assert "id=500" in text
    assert "and 60 more" in text
    assert "100 created, 0 updated, 500 unchanged" in text


def test_what_an_update_changes_is_shown_and_obeyed_by_no_terminal() -> None:
    change = Change(column="name", old=None, new="\x1b[31m" + "x" * 100)
    text = shown([row(1, RowState.UPDATED, label="Ann", changes=(change,))], width=200)
    assert "name: null → \\x1b[31m" in text
    assert "…" in text
    assert "Ann id=1" in text
