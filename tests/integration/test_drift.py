"""Each kind of drift, made for real on a database; and what is no drift."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    text,
)

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import OperationFailed
from dbctl.migrate import drift, shadow
from dbctl.migrate.project_models import project_models
from dbctl.migrate.scripts import open_checkout
from dbctl.models import metadata
from dbctl.settings import load_settings
from tests.support.cli import ROOT, Finished, invoke
from tests.support.databases import TestServer, execute, fetch
from tests.support.project import Project

type Found = list[tuple[str, str, str, str]]
type Compare = Callable[..., Found]

IMPORTS = """
import enum
import sqlalchemy as sa
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import ARRAY, DOMAIN, ENUM, JSONB
metadata = MetaData()
"""
# What the databases of most tests hold, and the models of it; `{}` is what a test adds.
TABLE = "create table doc (id int primary key, tags text[], data jsonb, name text, n int)"
DOC = """
Table("doc", metadata, Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tags", ARRAY(Text)), Column("data", JSONB), Column("name", Text), Column("n", Integer),
    {})
"""
AT_HEAD = (
    "create table alembic_version (version_num varchar(32) primary key)",
    "insert into alembic_version values ('r1')",
    "create schema dbctl",
    "create table dbctl.dbctl_ledger (id serial primary key, what text unique check (what <> ''),"
    " revision text, direction text, sha256 text, started_at timestamptz, role text, host text,"
    " actor text)",
    "create index ledger_by_what on dbctl.dbctl_ledger (what)",
    # Where earlier versions kept it.
    "create table dbctl_ledger (like dbctl.dbctl_ledger including all)",
)


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project with one revision, which its database is at; and dbctl's ledger is there."""
    execute(empty_url, *AT_HEAD)
    return Project.create(tmp_path, empty_url, "select")


def check(project: Project, models: str) -> Finished:
    (project.root / "shop" / "models.py").write_text(IMPORTS + models)
    return project.run("migrate", "check", "--json")


@pytest.fixture
def compare(project: Project) -> Compare:
    """What `check` finds between models and the database that statements make."""

    def compare(models: str, *statements: str) -> Found:
        execute(project.url, *statements)
        done = check(project, models)
        assert done.exit_code in {0, 1}, done.stdout + done.stderr
        found = [(d["kind"], d["table"], d["name"], d["detail"]) for d in done.json["differences"]]
        assert done.exit_code == bool(found)
        return found

    return compare


def together(
    compare: Compare, cases: dict[str, tuple[str, str]]
) -> dict[str, list[tuple[str, str, str]]]:
    """Compare one table `doc` per case, all of them in one database: that is much faster."""
    models, statements = "", []
    for number, (model, sql) in enumerate(cases.values()):
        models += DOC.format(model).replace("doc", f"doc{number}")
        statements += [text.replace("doc", f"doc{number}") for text in (TABLE, sql)]
    found = compare(models, *statements)

    def of(own: str) -> list[tuple[str, str, str]]:
        return [
            (kind, name.replace(own, "doc"), detail)
            for kind, table, name, detail in found
            if own in {table, name.removeprefix("of_")}
        ]

    return {case: of(f"doc{number}") for number, case in enumerate(cases)}


INDEXES = {
    "opclass": (
        'Index("by_doc", "data", postgresql_using="gin", '
        'postgresql_ops={"data": "jsonb_path_ops"})',
        "using gin (data)",
        "USING gin (data) → USING gin (data jsonb_path_ops)",
    ),
    "pattern opclass": (
        'Index("by_doc", "name")',
        "(name varchar_pattern_ops)",
        "USING btree (name varchar_pattern_ops) → USING btree (name)",
    ),
    "method": (
        'Index("by_doc", "tags", postgresql_using="gin")',
        "(tags)",
        "USING btree (tags) → USING gin (tags)",
    ),
    "hash": (
        'Index("by_doc", "name")',
        "using hash (name)",
        "USING hash (name) → USING btree (name)",
    ),
    "where added": (
        'Index("by_doc", "n", postgresql_where=text("n > 1"))',
        "(n)",
        "USING btree (n) → USING btree (n) WHERE (n > 1)",
    ),
    "where changed": (
        'Index("by_doc", "n", postgresql_where=text("n > 1"))',
        "(n) where n > 2",
        "USING btree (n) WHERE (n > 2) → USING btree (n) WHERE (n > 1)",
    ),
    "where removed": (
        'Index("by_doc", "n")',
        "(n) where n > 2",
        "USING btree (n) WHERE (n > 2) → USING btree (n)",
    ),
    "descending": (
        'Index("by_doc", text("n DESC"))',
        "(n)",
        "USING btree (n) → USING btree (n DESC)",
    ),
    "include": (
        'Index("by_doc", "n", postgresql_include=["id"])',
        "(n)",
        "USING btree (n) → USING btree (n) INCLUDE (id)",
    ),
    "collation": (
        'Index("by_doc", text("name COLLATE \\"C\\""))',
        "(name)",
        'USING btree (name) → USING btree (name COLLATE "C")',
    ),
    "unique": (
        'Index("by_doc", "n", unique=True)',
        "(n)",
        "USING btree (n) → UNIQUE USING btree (n)",
    ),
    "columns": (
        'Index("by_doc", "n", "id")',
        "(id, n) where n > 2",
        "USING btree (id, n) WHERE (n > 2) → USING btree (n, id)",
    ),
    "expression": (
        'Index("by_doc", func.lower(text("name")))',
        "(upper(name))",
        "USING btree (upper(name)) → USING btree (lower(name))",
    ),
    "storage parameters": (
        'Index("by_doc", "n", postgresql_with={"fillfactor": 70}, postgresql_where=text("n > 1"))',
        "(n) with (fillfactor = 80, deduplicate_items = off) where n > 1",
        "USING btree (n) WITH (deduplicate_items=off, fillfactor=80) WHERE (n > 1) → "
        "USING btree (n) WITH (fillfactor=70) WHERE (n > 1)",
    ),
}


def test_an_index_that_is_built_otherwise_is_told_once(compare: Compare) -> None:
    cases = {
        case: (model, f"create index by_doc on doc {sql}")
        for case, (model, sql, _) in INDEXES.items()
    }
    assert together(compare, cases) == {
        case: [("modify_index", "by_doc", detail)] for case, (_, _, detail) in INDEXES.items()
    }


def test_an_index_that_is_built_alike_is_not_told(compare: Compare) -> None:
    cases = {
        "concurrently": (
            'Index("by_doc", "n", postgresql_concurrently=True)',
            "create index by_doc on doc (n)",
        ),
        "storage parameters that no model names": (
            'Index("by_doc", "n")',
            "create index by_doc on doc (n) with (fillfactor = 80)",
        ),
        "default order": (
            'Index("by_doc", text("n ASC NULLS LAST"))',
            "create index by_doc on doc (n)",
        ),
        "odd name": (
            'Index("doc USING (x) WHERE ", "n")',
            'create index "doc USING (x) WHERE " on doc (n)',
        ),
        "of a constraint": (
            'UniqueConstraint("n", name="by_doc")',
            "alter table doc add constraint by_doc unique (n)",
        ),
    }
    assert together(compare, cases) == {case: [] for case in cases}


@pytest.mark.parametrize("nulls", ["", " nulls not distinct"])
def test_nulls_that_count_as_distinct_are_told(
    compare: Compare, server: TestServer, nulls: str
) -> None:
    if fetch(server.url, "select current_setting('server_version_num')::int")[0] < 150000:
        pytest.skip("PostgreSQL 15 and later have NULLS NOT DISTINCT")
    models = DOC.format('Index("by", "n", unique=True, postgresql_nulls_not_distinct=True)')
    found = compare(models, TABLE, f"create unique index by on doc (n){nulls}")
    wanted = "UNIQUE USING btree (n) NULLS NOT DISTINCT"
    changed = [("modify_index", "doc", "by", f"UNIQUE USING btree (n) → {wanted}")]
    assert found == ([] if nulls else changed)


def test_an_index_that_only_one_side_has_is_told_once(compare: Compare) -> None:
    found = compare(
        DOC.format('Index("ours", "n", postgresql_where=text("n > 1"))'),
        TABLE,
        "create index theirs on doc using gin (tags)",
    )
    assert sorted((kind, name) for kind, _, name, _ in found) == [
        ("add_index", "ours"),
        ("remove_index", "theirs"),
    ]


def test_an_index_and_a_constraint_of_one_name_are_both_told(compare: Compare) -> None:
    found = compare(
        DOC.format('CheckConstraint("n > 1", name="big")'),
        TABLE,
        "alter table doc add constraint big check (n > 2)",
        "create index big on doc (n)",
    )
    assert sorted(kind for kind, _, _, _ in found) == ["modify_constraint", "remove_index"]


def test_an_index_is_not_taken_for_the_one_behind_a_constraint(compare: Compare) -> None:
    found = compare(
        DOC.format('Index("by", "n", unique=True)'),
        TABLE,
        "alter table doc add constraint by unique (n, id)",
    )
    assert sorted((kind, name) for kind, _, name, _ in found) == [
        ("add_index", "by"),
        ("remove_constraint", "by"),
    ]


def test_an_index_that_no_query_uses_is_told(compare: Compare) -> None:
    models = DOC.format('Index("by", "n")')
    invalidate = "update pg_index set indisvalid = false where indexrelid = 'by'::regclass"
    assert compare(models, TABLE, "create index by on doc (n)", invalidate) == [
        ("modify_index", "doc", "by", "USING btree (n) INVALID → USING btree (n)")
    ]


# How the server words IN.
_ANY_OF = "size::text = ANY (ARRAY['{}'::character varying, '{}'::character varying]::text[])"
CHECKS = {
    "changed": (
        'CheckConstraint("n > 1", name="big")',
        "add constraint big check (n > 2)",
        ("modify_constraint", "big", "CHECK (n > 2) → CHECK (n > 1)"),
    ),
    "not inherited": (
        'CheckConstraint("n > 1", name="big")',
        "add constraint big check (n > 1) no inherit",
        ("modify_constraint", "big", "CHECK (n > 1) NO INHERIT → CHECK (n > 1)"),
    ),
    "not valid": (
        'CheckConstraint("n > 1", name="big")',
        "add constraint big check (n > 1) not valid",
        ("modify_constraint", "big", "CHECK (n > 1) NOT VALID → CHECK (n > 1)"),
    ),
    "missing": (
        'CheckConstraint("n > 1", name="big")',
        "alter tags set storage main",
        ("add_constraint", "big", "CHECK (n > 1)"),
    ),
    "extra": (
        'UniqueConstraint("n", name="one")',
        "add constraint one unique (n), add constraint big check (n > 1)",
        ("remove_constraint", "big", "CHECK (n > 1)"),
    ),
    "unnamed, changed": (
        'CheckConstraint("n > 1")',
        "add check (n > 2)",
        ("modify_constraint", "doc_n_check", "CHECK (n > 2) → CHECK (n > 1)"),
    ),
    "unnamed, not valid": (
        'CheckConstraint("n > 1")',
        "add constraint whatever check (n > 1) not valid",
        ("modify_constraint", "whatever", "CHECK (n > 1) NOT VALID → CHECK (n > 1)"),
    ),
    "unnamed, one of two missing": (
        'CheckConstraint("n > 1"), CheckConstraint("n > 0")',
        "add check (n > 0)",
        ("add_constraint", "doc_n_check1", "CHECK (n > 1)"),
    ),
    "of a column": (
        'Column("extra", Integer, CheckConstraint("extra > 1", name="big"))',
        "add extra int",
        ("add_constraint", "big", "CHECK (extra > 1)"),
    ),
    "of an enum without a type": (
        'Column("size", sa.Enum("S", "L", name="size", native_enum=False, create_constraint=True))',
        "add size varchar(1) constraint size check (size in ('S', 'M'))",
        (
            "modify_constraint",
            "size",
            f"CHECK ({_ANY_OF.format('S', 'M')}) → CHECK ({_ANY_OF.format('S', 'L')})",
        ),
    ),
}


def test_a_check_constraint_that_differs_is_told(compare: Compare) -> None:
    cases = {case: (model, f"alter table doc {sql}") for case, (model, sql, _) in CHECKS.items()}
    assert together(compare, cases) == {case: [told] for case, (_, _, told) in CHECKS.items()}


def test_a_check_constraint_that_means_the_same_is_not_told(compare: Compare) -> None:
    cases = {
        "the name that the server would choose": (
            'CheckConstraint("n > 1"), CheckConstraint("n > 0", name="doc_n_check")',
            "alter table doc add constraint doc_n_check check (n > 0), add check (n > 1)",
        ),
        "unnamed": (
            'CheckConstraint("n > 1")',
            "alter table doc add constraint whatever check (n > 1)",
        ),
        "worded otherwise": (
            'CheckConstraint("n BETWEEN 1 AND 2", name="c")',
            "alter table doc add constraint c check (n >= 1 and n<=2)",
        ),
        "valid by now": (
            'CheckConstraint("n > 1", name="c", postgresql_not_valid=True)',
            "alter table doc add constraint c check (n > 1)",
        ),
        "of another dialect": (
            'CheckConstraint("n > 1 -- why", name="c").ddl_if(dialect="sqlite")',
            "alter table doc alter tags set storage main",
        ),
        "qualified": (
            'CheckConstraint("doc.n > 1", name="c")',
            "alter table doc add constraint c check (n > 1)",
        ),
        "escapes": (
            "CheckConstraint(r\"name <> 'a:b' AND name NOT LIKE '%\\%'\", name='c')",
            "alter table doc add constraint c check (name <> 'a:b' and name not like '%\\%')",
        ),
    }
    assert together(compare, cases) == {case: [] for case in cases}


def test_a_check_constraint_that_is_inherited_is_told_of_its_parent_only(
    compare: Compare,
) -> None:
    models = 'Table("parent", metadata, Column("n", Integer))\n'
    models += 'Table("child", metadata, Column("n", Integer))'
    found = compare(
        models,
        "create table parent (n int constraint big check (n > 1))",
        "create table child () inherits (parent)",
    )
    assert found == [("remove_constraint", "parent", "big", "CHECK (n > 1)")]


LABELS = {
    "missing": (
        "'low', 'high'",
        [
            ("add_enum_value", "'medium' after 'low'"),
            ("add_enum_value", "'it''s urgent' after 'high'"),
        ],
    ),
    "first missing": (
        "'medium', 'high', 'it''s urgent'",
        [("add_enum_value", "'low' before 'medium'")],
    ),
    "extra": (
        "'low', 'medium', 'odd', 'high', 'it''s urgent'",
        [("remove_enum_value", "'odd'")],
    ),
    "order": (
        "'medium', 'low', 'high', 'it''s urgent'",
        [
            (
                "modify_enum",
                "('medium', 'low', 'high', 'it''s urgent') → "
                "('low', 'medium', 'high', 'it''s urgent')",
            )
        ],
    ),
    "none": ("'low', 'medium', 'high', 'it''s urgent'", []),
}


@pytest.mark.parametrize(
    ("column", "brackets"), [("{}", ""), ("ARRAY({})", "[]")], ids=["plain", "array"]
)
def test_an_enum_type_with_other_values_is_told(
    compare: Compare, column: str, brackets: str
) -> None:
    enum = """sa.Enum("low", "medium", "high", "it's urgent", name="of_doc")"""
    cases = {
        case: (
            f'Column("level", {column.format(enum)})',
            f"create type of_doc as enum ({labels}); alter table doc add level of_doc{brackets}",
        )
        for case, (labels, _) in LABELS.items()
    }
    assert together(compare, cases) == {
        case: [(kind, "of_doc", detail) for kind, detail in told]
        for case, (_, told) in LABELS.items()
    }


def test_an_enum_is_compared_by_what_it_stores(compare: Compare) -> None:
    models = """
class Size(enum.Enum):
    S = "small"
    L = "large"
class Stored(TypeDecorator):
    impl = sa.Enum(Size, name="by_value", values_callable=lambda e: [m.value for m in e])
    cache_ok = True
Table("doc", metadata, Column("a", Stored()), Column("b", sa.Enum(Size, name="by_name")),
    Column("c", String().with_variant(ENUM("x", name="variant"), "postgresql")),
    Column("d", sa.Enum("x", name="plain", native_enum=False)))
"""
    assert compare(
        models,
        "create type by_value as enum ('small')",
        "create type by_name as enum ('S', 'L')",
        "create type variant as enum ('x', 'y')",
        "create table doc (a by_value, b by_name, c variant, d varchar(1))",
    ) == [
        ("add_enum_value", "", "by_value", "'large' after 'small'"),
        ("remove_enum_value", "", "variant", "'y'"),
    ]


def test_a_table_that_the_database_does_not_have_is_told_with_its_type(compare: Compare) -> None:
    models = """
Table("doc", metadata, Column("level", sa.Enum("a", "b", name="level")),
    CheckConstraint("n > 1", name="big"), Column("n", Integer, index=True))
"""
    assert compare(models) == [
        ("add_table", "doc", "", ""),
        ("add_index", "doc", "ix_doc_n", "doc.n"),
        ("add_enum", "", "level", "('a', 'b')"),
    ]


SHOP = """
metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
for schema in ("Shop", "other"):
    level = sa.Enum("a", "b", name="Le vel", schema=schema)
    table = Table("Order %", metadata, Column("Level", level),
        Column("select", Integer, index=True), CheckConstraint('"select" > 1', name="big"),
        CheckConstraint('"select" > 1', name="b" * 70), schema=schema)
    Index("Part", table.c.select, postgresql_where=table.c.Level == "a")
"""


def test_schemas_quoted_names_and_conventions_are_followed(
    compare: Compare, project: Project
) -> None:
    env = project.root / "alembic" / "env.py"
    env.write_text(
        env.read_text().replace("compare_server", "include_schemas=True, compare_server")
    )
    make = (
        'create schema "Shop"',
        """create type "Shop"."Le vel" as enum ('a', 'b')""",
        'create table "Shop"."Order %" ("Level" "Shop"."Le vel", "select" int)',
        'create index "ix_Order %_select" on "Shop"."Order %" ("select")',
        """create index "Part" on "Shop"."Order %" ("select") where "Level" = 'a'""",
        'alter table "Shop"."Order %" add constraint "ck_Order %_big" check ("select" > 1)',
    )
    in_other = [sql.replace('"Shop"', "other") for sql in make]
    found = compare(
        SHOP,
        *make,
        *in_other,
        'alter table other."Order %" drop constraint "ck_Order %_big"',
        "alter type other.\"Le vel\" add value 'c'",
        'drop index "Shop"."Part"',
        'create index "Part" on "Shop"."Order %" ("select" desc)',
    )
    missing = [name for _, _, name, _ in found if name.startswith("ck_Order %_bbb")]
    assert [len(name) for name in missing] == [60, 60]  # as SQLAlchemy shortens it
    assert [each for each in found if each[2] not in missing] == [
        ("remove_enum_value", "", "other.Le vel", "'c'"),
        (
            "modify_index",
            "Shop.Order %",
            "Part",
            'USING btree ("select" DESC) → USING btree ("select") '
            'WHERE ("Level" = \'a\'::"Shop"."Le vel")',
        ),
        ("add_constraint", "other.Order %", "ck_Order %_big", 'CHECK ("select" > 1)'),
    ]


def test_a_name_that_the_server_cuts_is_compared_as_it_is_cut(compare: Compare) -> None:
    name = "ü" * 40
    models = DOC.format(f'CheckConstraint("n > 1", name="{name}")')
    assert compare(models, TABLE, f"alter table doc add constraint {name} check (n > 1)") == []


@pytest.mark.parametrize("name", ["path", "date", "user", "level"])
def test_a_table_may_bear_the_name_of_a_type(compare: Compare, name: str) -> None:
    models = f"""
Table("{name}", metadata, Column("day", Date), Column("way", Text),
    Column("level", sa.Enum("a", name="level", schema="types")),
    CheckConstraint("day > '2000-01-01'::date AND way::path IS NOT NULL", name="c"),
    CheckConstraint("level <> 'a'::types.level", name="d"))
"""
    assert (
        compare(
            models,
            "create schema types",
            "create type types.level as enum ('a')",
            f'create table "{name}" (day date, way text, level types.level, '
            "constraint c check (day > '2000-01-01'::date and way::path is not null), "
            "constraint d check (level <> 'a'::types.level))",
        )
        == []
    )


def test_what_cannot_be_built_is_told_with_the_reason_beside_the_rest(compare: Compare) -> None:
    models = DOC.format(
        'Column("gone", Integer), CheckConstraint("gone > 1", name="c"),'
        'CheckConstraint("absent(n)"), CheckConstraint("n > 1", name="big"),'
        'Index("by", "gone"), Index("odd", func.absent(text("n"))),'
        'CheckConstraint("n > 0", name="x" * 70)'
    )
    found = compare(
        models,
        TABLE,
        "create index odd on doc (n)",
        "alter table doc add constraint c check (n > 0), add constraint big check (n > 2)",
    )
    assert sorted(found) == [
        ("add_column", "doc", "gone", "INTEGER"),
        ("add_index", "doc", "by", "doc.gone"),
        ("add_index", "doc", "odd", "absent(n)"),
        ("modify_constraint", "doc", "big", "CHECK (n > 2) → CHECK (n > 1)"),
        (
            "not_compared",
            "doc",
            "",
            "CHECK (absent(n)): function absent(integer) does not exist",
        ),
        ("not_compared", "doc", "c", 'column "gone" does not exist'),
        (
            "not_compared",
            "doc",
            "x" * 70,
            f"Identifier '{'x' * 70}' exceeds maximum length of 63 characters",
        ),
        ("remove_index", "doc", "odd", "doc.n"),
    ]


RICH = """
class Level(enum.StrEnum):
    LOW = "low"
    HIGH = "high"
level = sa.Enum(Level, name="level", values_callable=lambda e: [m.value for m in e])
node = Table("node", metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("serial", Integer, Sequence("own"), nullable=False),
    Column("name", String(80), nullable=False, server_default="it"),
    Column("level", level, server_default="low", nullable=False),
    Column("levels", ARRAY(level), server_default=text("'{}'")),
    Column("price", Numeric(10, 2), CheckConstraint("price >= 0")),
    Column("gross", Numeric, Computed("price * 1.2", persisted=True)),
    Column("at", DateTime(timezone=True), server_default=func.now()),
    Column("data", JSONB, server_default=text("'{}'::jsonb")),
    Column("tags", ARRAY(Text)),
    Column("plain", sa.Enum("a", "b", name="plain", native_enum=False, create_constraint=True)),
    Column("flag", Boolean(create_constraint=True)),
    Column("parent", ForeignKey("node.id", ondelete="CASCADE")),
    CheckConstraint("char_length(name) BETWEEN 1 AND 80", name="name_length"),
    CheckConstraint("level IN ('low', 'high') OR name NOT LIKE 'x%'", name="in_list"),
    CheckConstraint("name IN ('a', 'b', 'it''s')"),
    CheckConstraint("(level = 'high') = (at IS NOT NULL)", name="at_when_high"),
    CheckConstraint("CAST(data ->> 'n' AS integer) > 0 AND name::text ~ '^[a-z]'", name="casts"),
    CheckConstraint("CASE WHEN flag THEN price > 1 ELSE true END", name="cased"),
    CheckConstraint("price > 1 AND (name = 'a' OR NOT flag)", name="nested"),
)
node.append_constraint(CheckConstraint(node.c.price < 10_000, name="column"))
UniqueConstraint(node.c.name, node.c.level, name="one")
Index("by_lower", func.lower(node.c.name), unique=True)
Index("by_length", func.length(node.c.name) + 1, node.c.id.desc().nullslast())
Index("by_tags", node.c.tags, postgresql_using="gin")
Index("by_data", node.c.data, postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"})
Index("by_pattern", node.c.name, postgresql_ops={"name": "varchar_pattern_ops"})
Index("by_high", node.c.price, postgresql_where=node.c.level == Level.HIGH)
Index("by_both", "at", node.c.price.desc(), postgresql_where=and_(node.c.price > 1, node.c.flag),
    postgresql_include=["name"], _table=node)
Index("by_hash", node.c.name, postgresql_using="hash")
Index("by_brin", node.c.at, postgresql_using="brin", postgresql_with={"pages_per_range": 32})
Index("by_text", text("(data ->> 'n')"), text("coalesce(name, 'x') DESC"), _table=node)
Index("by_trim", func.btrim(node.c.name, "it's \\\\ %"))
"""


def test_a_rich_model_matches_what_it_makes(project: Project) -> None:
    project.add_revision(
        "r2", "from shop.models import metadata; metadata.create_all(op.get_bind())", after=["r1"]
    )
    (project.root / "shop" / "models.py").write_text(IMPORTS + RICH)
    execute(project.url, "drop schema dbctl cascade")  # `up` keeps a real one
    up = project.run("migrate", "up", "--json")
    assert up.exit_code == 0, up.stdout
    made = "select count(*) from pg_index where indrelid = 'node'::regclass"
    assert fetch(project.url, made) == [13]
    done = project.run("migrate", "check", "--json")
    assert done.json.get("differences") == [], done.json


def test_the_drift_of_the_schema_that_ships_is_shown(database_url: str) -> None:
    env = {"DATABASE_URL": database_url}
    assert invoke("migrate", "check", "--json", env=env).json["differences"] == []
    execute(
        database_url,
        "drop index ix_tasks_tags",
        "create index ix_tasks_tags on tasks (tags)",
        "alter type task_priority add value 'someday' before 'low'",
        "alter table tasks drop constraint ck_tasks_title_length",
    )
    done = invoke("migrate", "check", env=env)
    assert done.exit_code == 1
    assert "modify index" in done.stdout
    assert "USING btree (tags) → USING gin (tags)" in done.stdout
    assert "remove enum value" in done.stdout
    assert "differs from dbctl.models in 3 ways" in done.stdout


def test_an_env_py_that_fails_is_told_with_the_cause(project: Project) -> None:
    line = "raise RuntimeError('not today')"
    env = project.root / "alembic" / "env.py"
    env.write_text(
        env.read_text().replace("    with context.beg", f"    {line}\n    with context.beg")
    )
    done = check(project, DOC.format(""))
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts")
    assert "env.py failed: RuntimeError: not today (" in done.json["error"]["message"]


def test_models_that_are_named_take_the_place_of_those_of_env_py(project: Project) -> None:
    env = project.root / "alembic" / "env.py"
    other = "target_metadata=__import__('sqlalchemy').MetaData(),"
    env.write_text(env.read_text().replace("target_metadata=target_metadata(config),", other))
    done = check(project, DOC.format(""))
    assert done.json["models"] == "shop.models"
    assert {each["kind"] for each in done.json["differences"]} == {"add_table"}


def test_a_column_of_another_type_is_told_in_sql(compare: Compare) -> None:
    models = 'Table("doc", metadata, Column("level", sa.Enum("a", name="level")))'
    created = ("create type level as enum ('a')", "create table doc (level text)")
    assert compare(models, *created) == [("modify_type", "doc", "level", "TEXT → level")]


def test_the_ledger_is_left_alone_whatever_env_py_says(project: Project) -> None:
    env = project.root / "alembic" / "env.py"
    env.write_text(env.read_text().replace("include_name=include_name", "include_schemas=True"))
    assert "include_name=" not in env.read_text()
    assert check(project, DOC.format("")).json["differences"] == [
        {"kind": "add_table", "table": "doc", "name": "", "detail": ""}
    ]


def test_plain_alembic_leaves_the_ledger_alone(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database_url, "drop schema if exists dbctl cascade", *AT_HEAD[2:])
    monkeypatch.setenv("DATABASE_URL", database_url)
    command.check(Config(ROOT / "alembic.ini"))


def test_a_database_that_may_not_be_written_is_refused_with_the_reason(
    project: Project,
) -> None:
    database = fetch(project.url, "select current_database()::text")[0]
    execute(project.url, f"alter database {database} set default_transaction_read_only = on")
    done = check(project, DOC.format(""))
    assert (done.exit_code, done.json["error"]["code"]) == (4, "operation_failed")
    assert "is read-only: the models cannot be compared there" in done.json["error"]["message"]
    assert "ask the primary" in done.json["error"]["hint"]


@pytest.fixture
def reader(database_url: str) -> Iterator[str]:
    """A role that may do nothing yet."""
    role = fetch(database_url, "select 'reader_of_' || current_database()")[0]
    execute(database_url, f"create role {role}")
    yield role
    execute(database_url, f"drop owned by {role}", f"drop role {role}")


async def test_a_role_that_may_only_read_can_compare(
    database: DatabaseSessionManager, reader: str
) -> None:
    async def found() -> list[tuple[str, str, str]]:
        async with database.engine.connect() as connection:
            await connection.execute(text(f"set role {reader}"))
            await connection.commit()
            try:
                told = await shadow.differences(connection, metadata.sorted_tables)
            finally:
                await connection.execute(text("reset role"))
                await connection.commit()
        return [(each.kind, each.table, each.detail) for each in told]

    async def grant(statement: str) -> None:
        async with database.engine.connect() as connection:
            await connection.execute(text(statement))
            await connection.commit()

    assert await found() == [
        ("not_compared", "tasks", "permission denied for table tasks"),
        ("not_compared", "users", "permission denied for table users"),
    ]
    await grant(f"grant select on tasks, users to {reader}")
    assert await found() == []
    await grant(f"revoke temporary on database {database.dsn.database} from public")
    with pytest.raises(OperationFailed, match=f"{reader} may not make temporary tables"):
        await found()


OBJECTS = """
    select string_agg(concat(c.oid, c.relname, c.relnamespace, c.relfilenode), ',' order by c.oid)
    from pg_class c
"""
HELD = """
    select relation::regclass::text from pg_locks
    where pid = pg_backend_pid() and locktype = 'relation' and mode <> 'AccessShareLock'
"""


async def test_nothing_stays_and_no_lock_is_in_the_way(database: DatabaseSessionManager) -> None:
    async with database.engine.connect() as holder, database.engine.connect() as connection:
        before = await connection.scalar(text(OBJECTS))
        await connection.rollback()
        # This mode lets in nobody who wants more than ACCESS SHARE.
        await holder.execute(text("lock table tasks, users in exclusive mode"))
        assert await shadow.differences(connection, metadata.sorted_tables) == []
        assert not connection.in_transaction()
        assert await connection.scalar(text(OBJECTS)) == before
        assert (await connection.scalars(text(HELD))).all() == []
        path, patience = (
            await connection.execute(
                text("select current_setting('search_path'), current_setting('lock_timeout')")
            )
        ).one()
        assert (path, patience) == ('"$user", public', "0")


async def test_a_table_that_is_locked_is_told_and_not_waited_for(
    database: DatabaseSessionManager,
) -> None:
    async with database.engine.connect() as holder, database.engine.connect() as connection:
        await holder.execute(text("lock table tasks"))
        started = time.monotonic()
        found = await shadow.differences(connection, metadata.sorted_tables)
        assert time.monotonic() - started < 5
    assert [(each.kind, each.table, each.detail) for each in found] == [
        ("not_compared", "tasks", "canceling statement due to lock timeout")
    ]


async def test_many_tables_are_compared_quickly(
    database: DatabaseSessionManager,
) -> None:
    many = MetaData()
    for number in range(120):
        Table(
            f"many_{number}",
            many,
            Column("n", Integer, CheckConstraint("n > 1"), index=True),
            Column("m", Integer),
            Index(f"by_{number}", "m", "n", postgresql_where=text("m > 0")),
        )
    async with database.engine.connect() as connection:
        await connection.run_sync(many.create_all)
        await connection.execute(text("alter table many_99 drop constraint many_99_n_check"))
        await connection.commit()
        started = time.monotonic()
        found = await shadow.differences(connection, many.sorted_tables)
        assert time.monotonic() - started < 5
    assert [(each.kind, each.name) for each in found] == [("add_constraint", "many_99_n_check")]


async def test_a_database_behind_the_head_can_be_compared_and_is_left_as_it_is(
    tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path, empty_url, "select")
    env = project.root / "alembic" / "env.py"
    env.write_text(env.read_text().replace("transaction_per_migration=True,", ""))
    monkeypatch.setenv("DATABASE_URL", empty_url)
    monkeypatch.setenv("DBCTL_MODELS", "dbctl.models")
    settings = load_settings(start=tmp_path)
    models = project_models(settings)
    manager = DatabaseSessionManager(dsn.parse(empty_url), connect_deadline=5)
    try:
        found = await drift.find(manager, open_checkout(settings), models)
        async with manager.engine.connect() as connection:
            versioned = await connection.scalar(text("select to_regclass('alembic_version')::text"))
    finally:
        await manager.close()
    assert versioned is None
    assert {("add_table", "tasks"), ("add_enum", "task_status")} <= {
        (each.kind, each.table or each.name) for each in found
    }
