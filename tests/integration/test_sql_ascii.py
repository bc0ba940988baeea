"""Rows of a database in SQL_ASCII, whose text may be in any encoding."""

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO
from itertools import product
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.support.cli import invoke
from tests.support.databases import TestServer, execute

TABLE = (
    "CREATE TABLE people (id int PRIMARY KEY, name text, note text, tags text[], more jsonb)",
    "CREATE TABLE places (name text PRIMARY KEY, person int REFERENCES people)",
    """INSERT INTO people VALUES (1, 'Ada', 'plain', '{a}', '{"a": 1}')""",
    r"""INSERT INTO people VALUES (2, E'M\374ller', E'two\nlines "quoted"', E'{\344}',"""
    r" E'{\"n\": \"J\366rg\"}')",
    r"INSERT INTO places VALUES (E'K\366ln', 2)",
)
FORMATS = ("table", "json", "ndjson", "csv", "markdown", "vertical")


@pytest.fixture(scope="module")
def url(locale_server: TestServer) -> Iterator[str]:
    """The URL of a database in SQL_ASCII with text in Latin-1."""
    url = locale_server.url_of("sql_ascii")
    execute(url, *TABLE)
    yield url
    execute(url, "DROP TABLE people, places")


READS = [
    ("rows", "people"),
    ("rows", "people", "--all"),
    ("rows", "people", "id=2"),
    ("row", "people", "2"),
    ("query", "select * from people order by id"),
]


@pytest.mark.parametrize(
    ("arguments", "output"),
    [*product(READS[:1], FORMATS), *product(READS[1:], ("table", "csv", "json"))],
)
def test_rows_in_sql_ascii_without_encoding_name_row_and_column(
    url: str, arguments: tuple[str, ...], output: str
) -> None:
    done = invoke("inspect", *arguments, "--format", output, env={"DATABASE_URL": url})
    assert done.exit_code == 4, done
    said = done.stdout + done.stderr
    number = 1 if "id=2" in arguments or arguments[0] == "row" else 2
    assert f"row {number}, column name: the text M" in said
    assert "--encoding LATIN1" in said


@pytest.mark.parametrize(
    ("arguments", "output"),
    [*product(READS[:1], FORMATS), *product(READS[1:], ("table", "csv", "json"))],
)
@pytest.mark.parametrize(("encoding", "name"), [("LATIN1", "Müller"), ("escape", r"M\xfcller")])
def test_rows_in_sql_ascii_with_encoding_are_read(
    url: str, arguments: tuple[str, ...], output: str, encoding: str, name: str
) -> None:
    done = invoke(
        "inspect", *arguments, "--format", output, "--encoding", encoding, env={"DATABASE_URL": url}
    )
    assert done.exit_code == 0, done
    shown = json.dumps(name, ensure_ascii=False)[1:-1] if "json" in output else name
    if output == "markdown":
        shown = shown.replace("\\", "\\\\")
    assert shown in done.stdout
    if output == "json":
        row = done.json["rows"][-1] if "rows" in done.json else done.json["row"]
        values = row.get("values", row)
        assert values["name"] == name
        assert values["note"] == 'two\nlines "quoted"'
        assert values["tags"] == [name[1:-4].replace("ü", "ä").replace("fc", "e4")]
    if output == "csv":
        *_, last = csv.DictReader(StringIO(done.stdout))
        assert (last["name"], last["note"]) == (name, 'two\nlines "quoted"')


@pytest.mark.parametrize(("encoding", "name"), [("latin1", "Müller"), ("escape", r"M\xfcller")])
def test_parquet_in_sql_ascii_with_encoding_is_read(
    url: str, tmp_path: Path, encoding: str, name: str
) -> None:
    file = tmp_path / "people.parquet"
    arguments = ("rows", "people", "--all", "--encoding", encoding, "--output", str(file))
    done = invoke("inspect", *arguments, env={"DATABASE_URL": url})
    assert done.exit_code == 0, done
    table = pyarrow.parquet.read_table(BytesIO(file.read_bytes()))
    assert name in table["name"].to_pylist()


@pytest.mark.parametrize(
    "arguments",
    [
        ("rows", "people", "name=Müller"),
        ("rows", "people", "--count", "name=Müller"),
        ("row", "places", "Köln", "--follow"),
        ("query", "select * from people where name = :name", "-p", "name=Müller"),
    ],
)
def test_value_in_sql_ascii_with_encoding_is_compared_in_it(
    url: str, arguments: tuple[str, ...]
) -> None:
    env = {"DATABASE_URL": url}
    done = invoke("inspect", *arguments, "--encoding", "LATIN1", "--json", env=env)
    assert done.exit_code == 0, done
    assert "Müller" in done.stdout or done.json["count"] == 1


@pytest.mark.parametrize("name", ["SJIS", "UTF16", "gbk", "nonsense", "base64"])
def test_encoding_that_text_cannot_be_in_exits_2(url: str, name: str) -> None:
    done = invoke("inspect", "rows", "people", "--encoding", name, env={"DATABASE_URL": url})
    assert done.exit_code == 2, done
    assert "LATIN1" in done.stderr


def test_encoding_of_a_database_that_knows_its_own_exits_2(empty_url: str) -> None:
    execute(empty_url, "CREATE TABLE t (id int)")
    done = invoke("inspect", "rows", "t", "--encoding", "LATIN1", env={"DATABASE_URL": empty_url})
    assert done.exit_code == 2, done
    assert "UTF8" in done.stderr


def test_text_in_sql_ascii_that_is_utf8_needs_no_encoding(url: str) -> None:
    done = invoke("inspect", "query", "select 'Größe' as a", "--json", env={"DATABASE_URL": url})
    assert done.json["rows"] == [{"a": "Größe"}]
