"""Text that is not UTF-8: in messages of the server, in names, in statements of others."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from dbctl.db.dsn import parse
from dbctl.db.engine import DatabaseSessionManager, closing
from tests.support.cli import invoke
from tests.support.databases import TestServer, connected, holding
from tests.support.health import statuses_of
from tests.support.lines import lines_of, next_line
from tests.support.locales import PASSWORD, ROLE

# How Latin-1 text is shown by whoever reads UTF-8.
ESCAPED = r"Gr\xf6\xdfe"


@contextmanager
def refusing(*fields: bytes) -> Iterator[str]:
    """Listen on a port, refuse each login with an ErrorResponse of `fields`; yield the URL."""
    body = b"".join(field + b"\0" for field in fields) + b"\0"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)
                    client.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"postgresql://app:wrong@127.0.0.1:{listener.getsockname()[1]}/app?sslmode=disable"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_error_before_login_in_latin1_keeps_its_sqlstate() -> None:
    message = "Mauvais mot de passe : échec".encode("latin-1")
    with refusing(b"SFATAL", b"VFATAL", b"C28P01", b"M" + message) as url:
        done = invoke("inspect", "tables", "--json", env={"DATABASE_URL": url})
    assert done.exit_code == 3
    assert r"Mauvais mot de passe : \xe9chec" in done.json["error"]["message"]
    assert "password" in done.json["error"]["hint"]
    assert "waiting" not in done.stderr


@pytest.mark.parametrize(
    ("login", "database", "hint"),
    [
        (f"{ROLE}:wrong", "app", "password"),
        ("nobody", "app", "pg_hba.conf"),
        ("postgres", "missing", "createdb missing"),
    ],
)
@pytest.mark.parametrize("command", [("inspect", "tables"), ("migrate", "status"), ("health",)])
def test_connect_refused_in_latin1_exits_3_at_once(
    locale_server: TestServer, command: tuple[str, ...], login: str, database: str, hint: str
) -> None:
    url = locale_server.url_of(database).replace("postgres@", f"{login}@", 1)
    done = invoke(*command, "--format", "table", env={"DATABASE_URL": url})
    assert done.exit_code == 3, done
    assert hint in done.stdout + done.stderr
    assert r"\xab" in done.stdout + done.stderr  # a French quotation mark
    assert "waiting" not in done.stderr


def test_connect_too_many_connections_in_latin1_names_the_cause(
    locale_server: TestServer,
) -> None:
    url = locale_server.url_of("c").replace("postgres@", f"{ROLE}:{PASSWORD}@", 1)
    locale_server.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    try:
        env = {"DATABASE_URL": url, "DB_CONNECT_DEADLINE": "1"}
        done = invoke("inspect", "tables", env=env)
    finally:
        locale_server.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    assert done.exit_code == 3
    assert r"trop de connexions pour le r\xf4le" in done.stderr
    assert "DB_POOL_SIZE" in done.stderr


@pytest.fixture(scope="module")
def latin1_neighbour(locale_server: TestServer) -> Iterator[TestServer]:
    """The server with a database and a running transaction whose names are in Latin-1."""
    name = ESCAPED.encode().decode("unicode_escape")
    locale_server.execute(f'CREATE DATABASE "{name}"', database="latin1")
    statements = (f'CREATE TABLE "{name}" (a text)', f'SELECT 1 AS "{name}"')
    with holding(locale_server.url_of("latin1"), *statements):
        yield locale_server
    locale_server.execute(f'DROP DATABASE "{name}"', database="latin1")


@pytest.mark.parametrize("database", ["c", "turkish_icu", "sql_ascii", "euc_jp"])
@pytest.mark.parametrize("command", ["activity", "size"])
@pytest.mark.parametrize("output", ["json", "table", "csv"])
def test_inspect_latin1_neighbour_is_shown_escaped(
    latin1_neighbour: TestServer, command: str, database: str, output: str
) -> None:
    env = {"DATABASE_URL": latin1_neighbour.url_of(database), "COLUMNS": "250"}
    done = invoke("inspect", command, "--format", output, env=env)
    assert done.exit_code == 0, done
    shown = json.dumps(ESCAPED)[1:-1] if output == "json" else ESCAPED
    if (command, output) != ("size", "csv"):  # the rows are those of the tables
        assert shown in done.stdout


@pytest.mark.parametrize("database", ["c", "sql_ascii"])
def test_health_latin1_neighbour_makes_every_check(
    latin1_neighbour: TestServer, database: str
) -> None:
    env = {"DATABASE_URL": latin1_neighbour.url_of(database)}
    done = invoke("health", "--json", "--threshold", "transactions.warn=0", env=env)
    assert done.exit_code == 1, done  # the example's revision is pending
    found = statuses_of(done.json)
    assert "unknown" not in found.values(), done.stdout
    assert found["connection"] == "pass"
    assert "not UTF-8" not in done.stdout


def test_health_text_that_cannot_be_converted_is_one_unknown_check(
    latin1_neighbour: TestServer,
) -> None:
    env = {"DATABASE_URL": latin1_neighbour.url_of("euc_jp")}
    done = invoke("health", "--json", env=env)
    found = statuses_of(done.json)
    unknown = [name for name, status in found.items() if status == "unknown"]
    assert unknown == ["wraparound"]  # the one that names all databases
    assert found["connection"] == "pass"


@pytest.mark.parametrize("database", ["c", "sql_ascii"])
def test_watch_latin1_neighbour_goes_on(latin1_neighbour: TestServer, database: str) -> None:
    env = {"DATABASE_URL": latin1_neighbour.url_of(database)}
    with lines_of("health", "--watch", "0.2", "--json", env=env) as piped:
        for _ in range(2):
            assert statuses_of(next_line(piped))["connection"] == "pass"


@pytest.mark.parametrize(
    ("statement", "exit_code", "said"),
    [
        ("select 1/0", 4, r"division par z\xe9ro (SQLSTATE 22012)"),
        ("select * from missing", 2, r"\xab missing \xbb n'existe pas"),
        ("select 1 where", 2, "syntaxe"),
    ],
)
def test_query_error_in_latin1_keeps_its_sqlstate(
    locale_server: TestServer, statement: str, exit_code: int, said: str
) -> None:
    env = {"DATABASE_URL": locale_server.url_of("french")}
    done = invoke("inspect", "query", statement, env=env)
    assert (done.exit_code, said in done.stderr) == (exit_code, True), done


async def test_connector_of_a_database_in_utf8_keeps_its_text(empty_url: str) -> None:
    text = "Größe \\xe4 \U0001f469\u200d\U0001f4bb"
    async with connected(empty_url) as connection:
        assert await connection.fetchval("select $1::text", text) == text
        record = await connection.fetchrow('select 1 as "Größe"')
        assert dict(record) == {"Größe": 1}


@pytest.mark.parametrize("length", [1, 600, 20_000, 3_000_000])
async def test_parameter_of_any_length_arrives_as_it_is(database_url: str, length: int) -> None:
    texts = {"a": "é" + "x" * length, "b": "ö" + "y" * length}
    manager = DatabaseSessionManager(parse(database_url, environ={}))
    async with closing(manager), manager.connect() as connection:
        found = await connection.scalar(text("select cast(:a as text) || cast(:b as text)"), texts)
    assert found == texts["a"] + texts["b"]
