"""Plans of migrations: the SQL is what `up` runs, and making one writes nothing."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from dbctl.errors import ConfigurationError, ErrorCode, FindingError, UsageError
from dbctl.migrate import plan_views
from dbctl.migrate.offline import Rendered
from dbctl.migrate.plan import make_plan
from dbctl.migrate.plan_results import Kind, Plan, PlannedRevision
from dbctl.migrate.scripts import steps
from tests.support.databases import execute, fetch
from tests.support.planning import checkout_of, plan_of, rendered_by
from tests.support.project import Project
from tests.support.schema import dump_of, run_psql, schema_of

OFFLINE_OF_ALEMBIC = """
from alembic import context
from sqlalchemy import NullPool, create_engine

url = context.config.get_main_option("sqlalchemy.url")

def run(**options):
    context.configure(target_metadata=None, **options)
    with context.begin_transaction():
        context.run_migrations()

if context.is_offline_mode():
    run(url=url, literal_binds=False)
else:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        run(connection=connection)
"""
ONLINE_ONLY = """
from alembic import context
from sqlalchemy import NullPool, create_engine

url = context.config.get_main_option("sqlalchemy.url")
with create_engine(url, poolclass=NullPool).connect() as connection:
    context.configure(connection=connection, url="sqlite://")
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project with two revisions, none of them applied."""
    return Project.create(
        tmp_path,
        empty_url,
        "create table team (id serial primary key, name varchar not null)",
        "alter table team add rank int",
    )


@pytest.fixture
def clone(empty_urls: tuple[str, str]) -> str:
    """The URL of a database to apply the script of a plan to."""
    return empty_urls[1]


def revision(plan: Plan, name: str) -> PlannedRevision:
    return next(each for each in plan.revisions if each.revision == name)


def own(planned: PlannedRevision) -> list[tuple[int | None, str]]:
    """Return the line and the text of the statements that a revision issues itself."""
    return [(each.line, each.sql) for each in planned.statements if each.kind is Kind.REVISION]


def shown(plan: Plan, *, terminal: bool, width: int = 100) -> str:
    out = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    out.print(plan_views.plan(plan))
    written = out.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_the_sql_of_a_plan_makes_what_up_makes(project: Project, clone: str) -> None:
    project.add_revision(
        "r3",
        """op.execute("create type mood as enum ('sad', 'ok')")
    op.add_column("team", sa.Column("mood", sa.Enum("sad", "ok", name="mood", create_type=False)))
    with op.get_context().autocommit_block():
        op.create_index("by_name", "team", ["name"], postgresql_concurrently=True)
    op.execute("alter type mood add value 'glad'")""",
        after=["r2"],
    )
    project.add_revision(
        "r4",
        r"""team = sa.table("team", sa.column("name", sa.String), sa.column("rank", sa.Integer))
    op.bulk_insert(team, [{"name": "a\t%b:c", "rank": 1}, {"name": "it's \\ \u200d", "rank": None}])
    op.execute("insert into team (name) values ('x;\ty') -- and a comment; that ends the text")
    op.execute("insert into team (name) values (E'50%\\t\\:z');")
    op.get_bind().execute(sa.text("insert into team (name, rank) values (:n, :r)"),
                          [{"n": "p", "r": 1}, {"n": "q", "r": 2}])
    op.get_bind().exec_driver_sql("update team set name = name || ':raw%' where rank = 2")
    op.execute(sa.update(team).where(team.c.rank == 1).values(rank=7))
    op.execute('''create function f() returns int language plpgsql as $$
        begin
            -- a comment; with a semicolon
            return 1;
        end
    $$''')
    with op.batch_alter_table("team") as batch:
        batch.alter_column("name", type_=sa.Text(), existing_type=sa.String())""",
        after=["r3"],
    )
    plan = plan_of(project)
    assert [each.reason for each in plan.revisions] == [None] * 4
    assert (plan.before, plan.after) == ((), ("r4",))
    applied = run_psql(clone, plan.sql, "--set=ON_ERROR_STOP=1")
    assert (applied.returncode, applied.stderr) == (0, "")

    assert project.run("migrate", "up").exit_code == 0
    assert fetch(clone, "select name::text from team order by id")[0] == "a\t%b:c"
    assert schema_of(clone) == schema_of(project.url)
    assert dump_of(clone, exclude_schema="dbctl") == dump_of(project.url, exclude_schema="dbctl")


def test_the_sql_of_a_plan_goes_back_as_down_does(project: Project, clone: str) -> None:
    project.add_revision(
        "r3",
        'op.create_table("extra", sa.Column("id", sa.Integer))',
        after=["r2"],
        downgrade='op.drop_table("extra")',
    )
    run_psql(clone, plan_of(project).sql)
    project.run("migrate", "up")
    plan = plan_of(project, "r1", direction="down")
    assert [each.revision for each in plan.revisions] == ["r3", "r2"]
    assert (plan.before, plan.after) == (("r3",), ("r1",))
    assert run_psql(clone, plan.sql).returncode == 0
    assert project.run("migrate", "down", "r1", "--yes").exit_code == 0
    assert dump_of(clone, exclude_schema="dbctl") == dump_of(project.url, exclude_schema="dbctl")


def test_planning_writes_nothing(project: Project) -> None:
    project.run("migrate", "up", "r1")
    before = dump_of(project.url)
    plan = plan_of(project, times=2)
    assert [each.revision for each in plan.revisions] == ["r2"]
    assert dump_of(project.url) == before


def test_a_plan_can_be_applied_to_a_database_that_was_at_base_before(project: Project) -> None:
    project.run("migrate", "up", "r1")
    execute(project.url, "drop table team", "delete from alembic_version")
    applied = run_psql(project.url, plan_of(project).sql)
    assert applied.returncode == 0, applied.stderr
    assert fetch(project.url, "select version_num::text from alembic_version") == ["r2"]


def test_a_plan_with_nothing_to_do_says_so(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, "drop schema dbctl cascade")
    plan = plan_of(project)
    assert (plan.revisions, plan.preamble) == ((), "")
    assert re.fullmatch(r"-- \S+ is at r2: nothing to do\n", plan.sql)
    assert run_psql(project.url, plan.sql).returncode == 0


def test_what_dbctl_runs_first_comes_first(project: Project, clone: str) -> None:
    plan = plan_of(project)
    assert run_psql(clone, plan.sql).returncode == 0
    assert fetch(clone, "select to_regclass('dbctl.dbctl_ledger') is not null") == [True]
    assert plan.sql.index("dbctl_ledger") < plan.sql.index("create table team")
    execute(project.url, plan.preamble)
    again = plan_of(project)
    assert (again.preamble, again.hash) == ("", plan.hash)


@pytest.mark.parametrize(
    ("body", "reason", "line"),
    [
        ("op.get_bind().execute(sa.text('select 1')).fetchall()", "it reads what the database", 7),
        ("op.get_bind().scalar(sa.text('select 1'))", "it reads what the database answers", 7),
        ("[1 for _ in op.get_bind().execute(sa.text('select 1'))]", "it reads what", 7),
        ("if op.get_bind().execute(sa.text('select 1')): pass", "it reads what", 7),
        ("pass\n    sa.inspect(op.get_bind()).get_table_names()", "it inspects the database", 8),
        ("raise SystemExit('not here')", "SystemExit: not here", 7),
        ("undefined_name()", "NameError: name 'undefined_name' is not defined", 7),
        ("op.execute('select :x')", "InvalidRequestError: A value is required for bind", 7),
        (
            "from alembic import context\n    if not context.is_offline_mode(): pass",
            "it does something else when it is asked for its SQL",
            8,
        ),
    ],
)
def test_a_revision_that_cannot_be_rendered_is_marked_and_the_others_are_not(
    project: Project, clone: str, body: str, reason: str, line: int
) -> None:
    path = project.add_revision("r3", f"op.execute('select 1')\n    {body}", after=["r2"])
    project.add_revision("r4", "op.execute('create table later (id int)')", after=["r3"])
    plan = plan_of(project)
    assert [each.rendered for each in plan.revisions] == [True, True, False, True]
    marked = revision(plan, "r3")
    assert marked.reason is not None
    assert marked.reason.startswith(reason)
    assert (marked.line, marked.path, marked.statements) == (line + 1, str(path), ())
    assert "version_num='r4'" in revision(plan, "r4").statements[-2].sql
    assert plan.after == ("r4",)

    applied = run_psql(clone, plan.sql)
    assert applied.returncode == 3
    assert "the SQL of revision r3 is not known before it runs" in applied.stderr
    assert fetch(clone, "select version_num::text from alembic_version") == ["r2"]


def test_a_revision_that_prints_is_rendered(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.add_revision("r3", "print('hello'); op.execute('select 3')", after=["r2"])
    plan = plan_of(project)
    assert own(revision(plan, "r3")) == [(7, "select 3")]
    assert capsys.readouterr().out == "hello\n"


def test_each_statement_has_the_line_that_issues_it(project: Project) -> None:
    project.add_revision(
        "r3",
        """def add(name):
        op.add_column("team", sa.Column(name, sa.Integer))
    for name in ("a", "b"):
        add(name)
    op.create_table(
        "other",
        sa.Column("id", sa.Integer, index=True),
    )""",
        after=["r2"],
    )
    lines = [line for line, _ in own(revision(plan_of(project), "r3"))]
    assert lines == [8, 8, 11, 11]


def test_what_runs_outside_a_transaction_is_marked(project: Project) -> None:
    project.add_revision(
        "r3",
        """op.execute("select 'before'")
    with op.get_context().autocommit_block():
        op.execute("create index concurrently i on team (name)")
    op.execute("select 'after'")""",
        after=["r2"],
    )
    statements = revision(plan_of(project), "r3").statements
    assert [
        (each.sql, each.transactional) for each in statements if each.kind is not Kind.BOOKKEEPING
    ] == [
        ("BEGIN", True),
        ("select 'before'", True),
        ("COMMIT", True),
        ("create index concurrently i on team (name)", False),
        ("BEGIN", True),
        ("select 'after'", True),
        ("COMMIT", True),
    ]
    assert statements[3].index == "i"


def test_locks_are_told_for_tables_that_were_there_already(project: Project) -> None:
    assert "ACCESS EXCLUSIVE" not in plan_of(project).sql
    project.run("migrate", "up", "r1")
    project.add_revision("r3", "op.drop_column('team', 'name')", after=["r2"])
    plan = plan_of(project)
    (statement,) = [each for each in revision(plan, "r3").statements if each.kind is Kind.REVISION]
    (lock,) = statement.locks
    assert (lock.table, lock.level, lock.blocks) == ("team", "ACCESS EXCLUSIVE", "reads and writes")
    assert [(loss.table, loss.column) for loss in statement.losses] == [("team", "name")]
    assert "-- line 7: ACCESS EXCLUSIVE on team (empty, 16 kB) blocks reads and writes" in plan.sql
    assert "loses team.name" in plan.sql


def test_the_hash_is_of_what_would_run_and_from_where(project: Project) -> None:
    first = plan_of(project)
    assert re.fullmatch("[0-9a-f]{64}", str(first.hash))
    assert plan_of(project, times=3).hash == first.hash
    assert plan_of(project, "r1").hash != first.hash

    path = project.root / "alembic" / "versions" / "r2.py"
    written = path.read_text()
    path.write_text(f"{written}# another\n")
    assert plan_of(project).hash != first.hash
    path.write_text(written)
    assert plan_of(project).hash == first.hash

    size = project.root / "size.txt"
    size.write_text("1")
    reading = f"import pathlib; op.execute('select ' + pathlib.Path({str(size)!r}).read_text())"
    project.add_revision("r2", reading, after=["r1"])
    small = plan_of(project)
    size.write_text("2")
    large = plan_of(project)
    assert small.revisions[1].sha256 == large.revisions[1].sha256
    assert small.hash != large.hash

    project.run("migrate", "up", "r1")
    assert plan_of(project).hash != large.hash


def test_the_beginning_of_a_hash_is_enough_from_eight_digits_on(project: Project) -> None:
    plan = plan_of(project)
    assert plan.hash is not None
    assert plan.matches(plan.hash)
    assert plan.matches(f" {plan.hash[:8].upper()} ")
    assert not plan.matches(plan.hash[:7])
    assert not plan.matches(f"{plan.hash}0")
    assert not plan.matches(plan.hash[1:9])


def test_plan_statement_the_server_refuses_has_no_hash(project: Project) -> None:
    project.add_revision(
        "r3", 'op.execute("create index concurrently i on team (name)")', after=["r2"]
    )
    plan = plan_of(project)
    assert plan.hash is None
    assert not any(map(plan.matches, ("", "None", "0" * 8, "0" * 64)))
    refused = {each.sql: each.refused for each in revision(plan, "r3").statements if each.refused}
    assert list(refused) == ["create index concurrently i on team (name)"]
    assert "autocommit_block" in str(*refused.values())
    assert plan_of(project, "r2").hash is not None


@pytest.fixture
def branched(project: Project) -> Project:
    """A project with two branches, one that depends on the other, and a merge."""
    side = project.add_revision("side", 'op.execute("create table side (id int)")', after=["r1"])
    side.write_text(f"{side.read_text()}depends_on = 'r2'\nbranch_labels = ('aside',)\n")
    project.add_revision("r3", 'op.execute("create table r3 (id int)")', after=["r2"])
    project.add_revision("merge", 'op.execute("create table merged ()")', after=["r3", "side"])
    project.add_revision(
        "last", "op.execute('select 1')", after=["merge"], downgrade="op.execute('select 2')"
    )
    project.add_revision("island", 'op.execute("create table island ()")')
    return project


@pytest.mark.parametrize("start", [(), ("r2",), ("r3", "aside@head"), ("side", "island")])
def test_branches_and_merges_are_kept_as_up_keeps_them(
    branched: Project, clone: str, start: tuple[str, ...]
) -> None:
    (branched.root / "alembic" / "versions" / "last.py").unlink()
    (branched.root / "alembic" / "versions" / "merge.py").unlink()
    for target in start:
        assert run_psql(clone, plan_of(branched, target).sql).returncode == 0
        assert branched.run("migrate", "up", target).exit_code == 0
    branched.add_revision("merge", 'op.execute("create table merged ()")', after=["r3", "side"])
    for target in ("merge", "heads"):
        plan = plan_of(branched, target)
        applied = run_psql(clone, plan.sql)
        assert (applied.returncode, applied.stderr) == (0, "")
        assert branched.run("migrate", "up", target).exit_code == 0
        versions = "select version_num::text from alembic_version order by 1"
        assert fetch(clone, versions) == fetch(branched.url, versions) == list(plan.after)
    down = plan_of(branched, "r1", direction="down")
    assert run_psql(clone, down.sql).returncode == 0
    assert branched.run("migrate", "down", "r1", "--yes").exit_code == 0
    assert fetch(clone, versions) == fetch(branched.url, versions) == list(down.after)


def test_the_hash_is_of_the_start_and_of_no_bookkeeping(branched: Project) -> None:
    def hash_of(rendered: list[Rendered], *before: str) -> str | None:
        plan = make_plan(rendered, database="", direction="up", before=before, after=())
        return plan.hash

    with checkout_of(branched) as checkout:
        rendered = rendered_by(branched, checkout, steps(checkout, "up", "heads", ()))
    # Alembic words that of a merge in the order of a set, which differs from run to run.
    without = [
        replace(
            each, statements=tuple(s for s in each.statements if s.kind is not Kind.BOOKKEEPING)
        )
        for each in rendered
    ]
    assert [len(each.statements) for each in without] != [len(e.statements) for e in rendered]
    assert hash_of(without) == hash_of(rendered)
    assert hash_of(rendered, "r1") != hash_of(rendered)


@pytest.mark.parametrize("env", [OFFLINE_OF_ALEMBIC, ONLINE_ONLY])
def test_any_env_py_renders(project: Project, clone: str, env: str) -> None:
    project.write_alembic("env.py", env)
    plan = plan_of(project)
    assert [each.reason for each in plan.revisions] == [None, None]
    assert run_psql(clone, plan.sql).returncode == 0


def test_plan_env_py_that_fails_is_refused(project: Project) -> None:
    path = project.write_alembic("env.py", "raise RuntimeError('no')")
    said = re.escape(f"env.py failed: RuntimeError: no ({path}:1)")
    with pytest.raises(ConfigurationError, match=said) as raised:
        plan_of(project)
    assert raised.value.code is ErrorCode.MIGRATION_SCRIPTS
    project.write_alembic("env.py", "")
    with pytest.raises(ConfigurationError, match="has given Alembic no connection") as raised:
        plan_of(project)
    assert raised.value.code is ErrorCode.MIGRATION_SCRIPTS


def test_models_that_cannot_be_imported_are_told_as_up_tells_them(project: Project) -> None:
    (project.root / "shop" / "models.py").write_text("raise RuntimeError('not today')")
    with pytest.raises(ConfigurationError, match="not today") as raised:
        plan_of(project)
    assert raised.value.code is ErrorCode.MODELS_IMPORT


def test_what_was_planned_can_be_run_by_the_same_checkout(project: Project) -> None:
    with checkout_of(project) as checkout:
        todo = steps(checkout, "up", "head", ())
        sql = [each.statements for each in rendered_by(project, checkout, todo)]
        assert [each.statements for each in rendered_by(project, checkout, todo)] == sql
        assert checkout.config.output_buffer is None
        assert [step.migration_fn for step in todo] == [
            step.revision.module.upgrade for step in todo
        ]


def test_a_target_that_is_not_there_is_refused_as_by_up(project: Project) -> None:
    with pytest.raises(UsageError, match="nope"):
        plan_of(project, "nope")
    project.run("migrate", "up")
    (project.root / "alembic" / "versions" / "r2.py").unlink()
    with pytest.raises(FindingError, match="r2, which this checkout does not have"):
        plan_of(project, "r1")


def test_the_table_form_is_the_script(project: Project) -> None:
    plan = plan_of(project)
    plain = [line.rstrip() for line in shown(plan, terminal=False, width=200).splitlines()]
    assert plain == [line.expandtabs(4).rstrip() for line in plan.sql.splitlines()]
    assert plain[-2] == f"-- plan {plan.hash}"
    (given,) = re.findall("dbctl migrate up --to-plan ([0-9a-f]+)$", plain[-1])
    assert plan.matches(given)


def test_no_text_of_a_revision_reaches_the_terminal_unseen(project: Project) -> None:
    project.add_revision("r3", r'op.execute("select \'\x1b[2J\u202e\'")', after=["r2"])
    text = shown(plan_of(project), terminal=True)
    assert "\x1b[2J" not in text
    assert r"\x1b[2J\u202e" in text


def test_the_csv_form_has_a_row_per_statement(project: Project) -> None:
    project.add_revision("r3", "raise SystemExit", after=["r2"])
    plan = plan_of(project)
    rows = list(plan.records())
    assert all(set(row) == set(plan.columns()) for row in rows)
    assert [row["revision"] for row in rows][-1] == "r3"
    assert rows[-1]["reason"] == "SystemExit"
    assert len(rows) == 1 + sum(len(each.statements) for each in plan.revisions)
