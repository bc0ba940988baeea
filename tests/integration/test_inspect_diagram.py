"""`inspect diagram`: what is drawn, from the database and from the models, and in which words."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from dbctl.errors import ErrorCode, UsageError
from dbctl.inspect.diagram.dot import dot
from dbctl.inspect.diagram.live import read_schema
from dbctl.inspect.diagram.mermaid import mermaid
from dbctl.inspect.diagram.models import model_schema
from dbctl.inspect.diagram.results import DiagramColumn, DiagramResult, DiagramTable, Relationship
from dbctl.inspect.diagram.schema import draw
from dbctl.inspect.diagram.types import type_name
from tests.support.cli import Finished, invoke
from tests.support.databases import TestServer, connected, execute
from tests.support.zoo import ZOO

SHIPPED = """\
erDiagram
    "tasks" {
        uuid id PK
        uuid user_id FK
        timestamptz completed_at
        timestamptz created_at
        text description
        timestamptz due_at
        task_priority priority
        task_status status
        text[] tags
        text title
        timestamptz updated_at
    }
    "users" {
        uuid id PK
        timestamptz created_at
        text email
        boolean is_active
        text name
        timestamptz updated_at
    }
    "users" ||..o{ "tasks" : "user_id"
"""


@pytest.fixture(scope="module")
def zoo_url(server: TestServer) -> Iterator[str]:
    """A database with every kind of key; the tests of this module only read it."""
    with server.database() as url:
        execute(url, ZOO)
        yield url


def drawn(url: str, *arguments: str, cwd: Path | None = None) -> Finished:
    """Run the command on the database at `url`."""
    more = {"cwd": cwd} if cwd else {}
    return invoke("inspect", "diagram", *arguments, env={"DATABASE_URL": url}, **more)


def relation(text: str, start: str) -> str:
    """Return the one line of a relationship that begins with `start`."""
    (line,) = [line.strip() for line in text.splitlines() if line.strip().startswith(start)]
    return line


def test_the_database_and_the_models_that_ship_are_drawn_alike(database_url: str) -> None:
    live = drawn(database_url)
    assert (live.exit_code, live.stdout, live.stderr) == (0, SHIPPED, "")
    assert drawn("postgresql://nobody@127.0.0.1:1/none", "--models").stdout == SHIPPED
    documents = [drawn(database_url, "--json").json, drawn(database_url, "--models", "--json").json]
    assert documents[0] == documents[1]


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ('"people" ||--o| "profiles"', '"people" ||--o| "profiles" : "person_id"'),
        ('"people" |o..o{ "people"', '"people" |o..o{ "people" : "manager_id"'),
        ('"people" ||--o{ "memberships"', '"people" ||--o{ "memberships" : "person_id"'),
        (
            '"order_lines" |o',
            '"order_lines" |o..o{ "order_lines" : "order_id, parent_line"',
        ),
        (
            '"shop.projects" |o',
            '"shop.projects" |o..o{ "shop.assignments" : "tenant_id, other_project_id"',
        ),
        (
            '"shop.projects" ||',
            '"shop.projects" ||..o{ "shop.assignments" : "tenant_id, project_id"',
        ),
        ('"rooms" ||', '"rooms" ||..o{ "bookings" : "room"'),
    ],
)
def test_a_relationship_has_the_cardinality_of_its_keys(
    zoo_url: str, start: str, line: str
) -> None:
    assert relation(drawn(zoo_url).stdout, start) == line


def test_only_what_is_unique_for_sure_makes_a_relationship_one_to_one(empty_url: str) -> None:
    execute(
        empty_url,
        "create table p (a int, b int, primary key (a, b))",
        "create table exact (a int, b int, primary key (a, b), foreign key (a, b) references p)",
        "create table wider (a int, b int, c int, primary key (a, b, c),"
        " foreign key (a, b) references p)",
        "create table narrower (a int unique, b int, foreign key (a, b) references p)",
        "create table partial (a int, b int, foreign key (a, b) references p)",
        "create unique index on partial (a, b) where a > 0",
        "create table expression (a int, b int, foreign key (a, b) references p)",
        "create unique index on expression (a, (b + 0))",
        "create table included (a int, b int, foreign key (a, b) references p)",
        "create unique index on included (b) include (a)",
    )
    document = drawn(empty_url, "--json").json
    assert {one["child"]: one["children"] for one in document["relationships"]} == {
        "exact": "zero or one",
        "expression": "zero or more",
        "included": "zero or one",
        "narrower": "zero or one",
        "partial": "zero or more",
        "wider": "zero or more",
    }
    assert {one["child"]: one["parents"] for one in document["relationships"]} == {
        "exact": "exactly one",
        "expression": "zero or one",
        "included": "zero or one",
        "narrower": "zero or one",
        "partial": "zero or one",
        "wider": "exactly one",
    }


def test_partitions_views_and_dbctls_own_tables_are_left_out(database_url: str) -> None:
    execute(
        database_url,
        "create table marks (id int primary key)",
        "create table logs (id int references marks, at date) partition by range (at)",
        "create table logs_1 partition of logs for values from ('2024-01-01') to ('2025-01-01')",
        "create view seen as select * from logs",
    )
    document = drawn(database_url, "--json").json
    assert [table["name"] for table in document["tables"]] == ["logs", "marks", "tasks", "users"]
    assert [one["child"] for one in document["relationships"]] == ["logs", "tasks"]
    named = drawn(database_url, "alembic_version", "--json").json
    assert [table["name"] for table in named["tables"]] == ["alembic_version"]


def test_names_choose_tables_and_their_neighbours(zoo_url: str) -> None:
    def tables(*arguments: str) -> list[str]:
        return [table["name"] for table in drawn(zoo_url, *arguments, "--json").json["tables"]]

    assert tables("Profiles", "shop.tenants") == ["profiles", "shop.tenants"]
    assert tables("profiles", "--neighbours") == ["people", "profiles"]
    assert tables("--schema", "shop") == ["shop.assignments", "shop.projects", "shop.tenants"]
    assert tables("--schema", "shop", "--neighbours")[0] == "people"
    unknown = drawn(zoo_url, "profile")
    assert unknown.exit_code == 2
    assert "Did you mean profiles?" in unknown.stderr
    unknown = drawn(zoo_url, "--schema", "shops")
    assert (unknown.exit_code, "Did you mean shop?" in unknown.stderr) == (2, True)


async def test_the_drawing_does_not_depend_on_where_a_column_stands(
    empty_urls: tuple[str, str],
) -> None:
    texts = []
    for url, columns in zip(
        empty_urls, ("id int primary key, b int, a int", "a int, id int primary key"), strict=True
    ):
        async with connected(url) as connection:
            await connection.execute(f"create table t ({columns})")
            await connection.execute("alter table t add column if not exists b int")
            texts.append(mermaid(draw(await read_schema(connection))))
    assert texts[0] == texts[1]


def test_names_that_mermaid_has_no_place_for_are_told_beside(empty_url: str) -> None:
    execute(
        empty_url,
        'create schema "a""b"',
        'create table "a""b"."50% of #1; \\x" ("pk" int, "größe" int, "1st" int, "a b" int,'
        ' "x~y~" int, "emoji 🎉" numeric(3,1), "fk-x" int, "ünïkö" text)',
        'create table "direction TB" ()',
    )
    text = drawn(empty_url).stdout
    assert text.splitlines() == [
        "erDiagram",
        '    "#quot;a#quot;#quot;b#quot;.#quot;50#37; of #35;1; #92;x#quot;" {',
        '        integer _1st "1st"',
        '        integer a_b "a b"',
        '        numeric emoji__ "emoji 🎉 numeric(3,1)"',
        '        integer _fk-x "fk-x"',
        '        integer gr__e "größe"',
        '        integer _pk "pk"',
        '        integer x_y_ "x#126;y#126;"',
        '        text _n_k_ "ünïkö"',
        "    }",
        '    "#quot;direction_TB#quot;"',
    ]


def test_columns_that_become_the_same_word_in_mermaid_are_numbered(empty_url: str) -> None:
    execute(
        empty_url,
        'create table t ("名前" int, "住所" int, "größe" int, "grüße" int, "a b" int, "a-b" int,'
        ' a_b int, "__" int)',
        'create table u ("名前" int)',
    )
    lines = drawn(empty_url).stdout.splitlines()
    inside = lines[lines.index('    "t" {') + 1 : lines.index("    }")]
    names = [line.split()[1] for line in inside]
    assert len(set(names)) == len(names) == 8
    for name in ("名前", "住所", "größe", "grüße"):
        assert [line for line in inside if f'"{name}"' in line]
    assert '        integer __ "名前"' in lines[lines.index('    "u" {') :]


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def one_table(name: str, type_: str = "integer") -> DiagramResult:
    """Return a diagram in which everything has the same name."""
    return DiagramResult(
        tables=(
            DiagramTable(
                schema_name=name,
                table=name,
                name=name,
                columns=(DiagramColumn(name=name, type=type_, nullable=False),),
            ),
        ),
        relationships=(
            Relationship(
                parent=name,
                child=name,
                columns=(name,),
                referenced_columns=(name,),
                children="zero or more",
                parents="zero or one",
                identifying=False,
            ),
        ),
    )


@given(NAMES)
def test_any_name_stays_within_its_quotes(name: str) -> None:
    head, table, column, end, related = mermaid(one_table(name, name)).splitlines()
    assert (head, end) == ("erDiagram", "    }")
    assert table.count('"') == 2
    assert column.count('"') in {0, 2}
    assert related.count('"') == 6
    text = dot(one_table(name, name))
    assert text.isprintable() or "\n" in text
    (label,) = [line for line in text.splitlines() if "[label=<" in line]
    inner = label.partition("[label=<")[2].removesuffix(">]")
    from xml.etree import ElementTree

    cells = [
        "".join(cell.itertext())
        for cell in ElementTree.fromstring(inner).iter("td")  # noqa: S314
    ]
    assert len(cells) == 4
    assert all(cell.isprintable() for cell in cells)


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (sa.Integer(), "integer"),
        (sa.BigInteger(), "bigint"),
        (sa.SmallInteger(), "smallint"),
        (sa.String(), "character varying"),
        (sa.String(50), "character varying(50)"),
        (sa.CHAR(), "character(1)"),
        (sa.CHAR(3), "character(3)"),
        (sa.Text(), "text"),
        (sa.Boolean(), "boolean"),
        (sa.Numeric(), "numeric"),
        (sa.Numeric(12, 2), "numeric(12,2)"),
        (sa.Numeric(5), "numeric(5,0)"),
        (sa.Float(), "double precision"),
        (sa.Float(10), "real"),
        (sa.REAL(), "real"),
        (sa.Double(), "double precision"),
        (sa.DateTime(), "timestamp without time zone"),
        (sa.DateTime(timezone=True), "timestamp with time zone"),
        (postgresql.TIMESTAMP(timezone=True, precision=3), "timestamp(3) with time zone"),
        (postgresql.TIME(precision=0), "time(0) without time zone"),
        (sa.Time(timezone=True), "time with time zone"),
        (sa.Date(), "date"),
        (sa.Interval(), "interval"),
        (postgresql.INTERVAL(fields="DAY TO SECOND"), "interval day to second"),
        (sa.LargeBinary(), "bytea"),
        (sa.Uuid(), "uuid"),
        (sa.JSON(), "json"),
        (postgresql.JSONB(), "jsonb"),
        (postgresql.BIT(), "bit(1)"),
        (postgresql.BIT(4), "bit(4)"),
        (postgresql.BIT(7, varying=True), "bit varying(7)"),
        (postgresql.ARRAY(sa.Text()), "text[]"),
        (sa.ARRAY(sa.String(5), dimensions=2), "character varying(5)[]"),
        (postgresql.ARRAY(sa.DateTime(timezone=True)), "timestamp with time zone[]"),
        (postgresql.DATERANGE(), "daterange"),
        (postgresql.INET(), "inet"),
        (postgresql.TSVECTOR(), "tsvector"),
        (sa.Enum("sad", "ok", name="mood"), "mood"),
        (sa.Enum("sad", "ok", name="Mood"), '"Mood"'),
        (sa.Enum("sad", "ok", name="mood", schema="shop"), "shop.mood"),
        (sa.Enum("sad", "ok", name="m", native_enum=False), "character varying(3)"),
    ],
    ids=str,
)
async def test_a_type_of_the_models_is_named_as_the_server_names_it(
    empty_url: str, type_: sa.types.TypeEngine[object], name: str
) -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("c", type_))
    create = str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    async with connected(empty_url) as connection:
        await connection.execute(
            "create schema shop; create type shop.mood as enum (); create type mood as enum ();"
            'create type "Mood" as enum ();' + create
        )
        server_name = await connection.fetchval(
            "select format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = 't'::regclass and attname = 'c'"
        )
    assert (type_name(type_), server_name) == (name, name)


def test_models_are_drawn_with_their_keys() -> None:
    metadata = sa.MetaData()
    sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
    one = sa.Table(
        "b",
        metadata,
        sa.Column("id", sa.ForeignKey("a.id"), primary_key=True),
        sa.Column("x", sa.ForeignKey("a.id"), unique=True),
        sa.Column("y", sa.ForeignKey("a.id"), nullable=False),
        sa.Column("z", sa.ForeignKey("a.id")),
        schema="shop",
    )
    sa.Index("z", one.c.z, unique=True, postgresql_where=one.c.x > 0)
    text = mermaid(draw(model_schema(metadata.sorted_tables)))
    assert [line.strip() for line in text.splitlines() if "shop.b" in line][1:] == [
        '"a" ||--o| "shop.b" : "id"',
        '"a" |o..o| "shop.b" : "x"',
        '"a" ||..o{ "shop.b" : "y"',
        '"a" |o..o{ "shop.b" : "z"',
    ]
    assert "integer x FK, UK" in text


def test_models_that_refer_to_what_is_not_there_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dbctl]\nmodels = "lonely_models"\n')
    (tmp_path / "lonely_models.py").write_text(
        "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
        "sa.Table('a', metadata, sa.Column('id', sa.Integer, sa.ForeignKey('b.id')))\n"
    )
    done = invoke("inspect", "diagram", "--models", "--json", cwd=tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (2, ErrorCode.MODELS_IMPORT)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("schema.mmd", "", ""),
        ("SCHEMA.md", "# Tables\n\n```mermaid\n", "```\n\n```sql\nselect 1\n```\n"),
        ("SCHEMA.md", "~~~~ mermaid\n", "~~~~"),
    ],
)
def test_a_file_that_shows_the_schema_passes_the_check_until_it_changes(
    database_url: str, tmp_path: Path, name: str, before: str, after: str
) -> None:
    file = tmp_path / name
    file.write_text(before + SHIPPED + after)
    done = drawn(database_url, "--check", str(file))
    assert (done.exit_code, done.stderr) == (0, "")
    execute(database_url, "alter table users add column age int")
    done = drawn(database_url, "--check", str(file))
    assert done.exit_code == 1
    assert [line for line in done.stdout.splitlines() if line[:1] in "+-"][2:] == [
        "+        integer age"
    ]
    document = drawn(database_url, "--check", str(file), "--json")
    assert (document.exit_code, document.json["matches"]) == (1, False)
    assert document.json["diff"] == done.stdout


def test_a_dot_file_is_checked_as_one(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.dot"
    drawn(database_url, "--output", str(file))
    assert file.read_text().startswith("digraph schema {")
    assert drawn(database_url, "--check", str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.mmd", None, "diagram --output "),
        ("none.md", None, "No such file"),
        ("none.md", None, "between ```mermaid and ```"),
        ("none.md", "# nothing\n", "has no blocks of Mermaid"),
        ("two.md", "```mermaid\na\n```\n```mermaid\nb\n```\n", "has 2 blocks of Mermaid"),
        ("picture.svg", "<svg/>", "--check takes no svg"),
    ],
)
def test_a_file_that_cannot_be_checked_is_an_error(
    database_url: str, tmp_path: Path, name: str, text: str | None, told: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = drawn(database_url, "--check", str(tmp_path / name))
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.fixture
def graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `dot` on the PATH: the real one where it is installed, else one that repeats its input."""
    if shutil.which("dot") is None:
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir()
        program.write_text(
            f"#!{sys.executable}\nimport sys\ntext = sys.stdin.read()\n"
            "sys.stdout.write('<svg xmlns=\"http://www.w3.org/2000/svg\"><!-- ' + sys.argv[1] + "
            "' --><text>' + 'tasks' * ('tasks' in text) + '</text></svg>')\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("graphviz")
def test_graphviz_draws_a_picture_into_a_file(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.svg"
    done = drawn(database_url, "--output", str(file))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert "<svg" in file.read_text()
    assert "tasks" in file.read_text()
    png = tmp_path / "picture"
    assert drawn(database_url, "--format", "png", "--output", str(png)).exit_code == 0
    assert png.read_bytes()


def test_without_graphviz_a_picture_is_an_error_that_tells_what_to_do(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "schema.svg"
    done = drawn(database_url, "--output", str(file))
    assert done.exit_code == 4
    assert "Graphviz" in done.stderr
    assert "--format mermaid" in done.stderr
    assert not file.exists()


def test_graphviz_that_fails_is_told_with_its_own_words(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'syntax error near x' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = drawn(database_url, "--format", "svg")
    assert done.exit_code == 4
    assert "status 3: syntax error near x" in done.stderr


def test_json_is_a_format_here_too(database_url: str) -> None:
    short, long = (
        drawn(database_url, *arguments).stdout for arguments in (["--json"], ["--format", "json"])
    )
    assert short == long
    assert json.loads(short)["relationships"][0]["parent"] == "users"


async def test_a_name_with_too_many_parts_is_an_error(database_url: str) -> None:
    async with connected(database_url) as connection:
        schema = await read_schema(connection)
    with pytest.raises(UsageError, match="too many parts"):
        draw(schema, names=["a.b.c"])
