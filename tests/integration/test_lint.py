"""Linting revisions with squawk: what is found, where, and what a comment ignores."""

import io
import shutil
import sys
from pathlib import Path

import pytest

from dbctl.errors import ConfigurationError, ExitCode, OperationFailed, UsageError
from dbctl.migrate import plan_views
from dbctl.migrate.lint import lint, since
from dbctl.migrate.offline import render_offline
from dbctl.migrate.plan_results import Finding, LintReport
from dbctl.migrate.severity import Severity
from dbctl.rendering import show
from tests.support.planning import checkout_of
from tests.support.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a revision that nothing is wrong with; there is no database."""
    return Project.create(
        tmp_path, "postgresql://nobody@127.0.0.1:1/none", "create table team (id bigint)"
    )


def report_of(
    project: Project,
    revision: str | None = None,
    *,
    fail_on: Severity = Severity.WARNING,
    pg_version: str | None = None,
) -> LintReport:
    with checkout_of(project) as checkout:
        steps, heads = since(checkout, revision)
        rendered = render_offline(checkout, steps, heads)
        return lint(rendered, project=project.root, fail_on=fail_on, pg_version=pg_version)


def found(report: LintReport) -> list[tuple[str, int | None, str]]:
    return [(each.file, each.line, each.rule) for each in report.findings]


def placed(report: LintReport) -> list[tuple[int | None, str]]:
    """Return the findings that fail; of notes there may be more."""
    failing = Severity.WARNING.reached_by
    return [(each.line, each.rule) for each in report.findings if each.level in failing]


def test_a_project_without_a_fault_passes(project: Project) -> None:
    report = report_of(project)
    assert (report.revisions, report.findings, report.exit_code) == (1, (), ExitCode.OK)
    assert report.model_dump(mode="json")["passed"] is True


def test_each_finding_has_the_file_the_line_and_the_sql(project: Project) -> None:
    project.add_revision(
        "r2",
        """op.execute("select 1")
    op.create_table(
        "other",
        sa.Column("id", sa.BigInteger),
        sa.Column("size", sa.Integer),
    )
    op.drop_table("team")""",
        after=["r1"],
    )
    report = report_of(project)
    assert found(report) == [
        ("alembic/versions/r2.py", 8, "prefer-bigint-over-int"),
        ("alembic/versions/r2.py", 13, "ban-drop-table"),
    ]
    first = report.findings[0]
    assert (first.revision, first.level, first.sql) == ("r2", Severity.WARNING, "size INTEGER")
    assert "32-bit integer" in first.message
    assert first.help is not None
    assert report.exit_code is ExitCode.FINDING


def test_only_findings_from_the_severity_on_fail(project: Project) -> None:
    project.add_revision("r2", 'op.drop_table("team")', after=["r1"])
    report = report_of(project, fail_on=Severity.ERROR)
    assert (placed(report), report.exit_code) == ([(7, "ban-drop-table")], ExitCode.OK)
    project.add_revision("r3", 'op.execute("selec 1")', after=["r2"])
    report = report_of(project, fail_on=Severity.ERROR)
    assert {each.level for each in report.findings if each.rule == "syntax-error"} == {
        Severity.ERROR
    }
    assert report.exit_code is ExitCode.FINDING


def test_what_squawk_cannot_read_hides_nothing_else(project: Project) -> None:
    project.add_revision(
        "r2",
        'op.execute("selec 1")  # dbctl: ignore syntax-error: a dialect of ours\n'
        '    op.drop_table("team")',
        after=["r1"],
    )
    assert placed(report_of(project)) == [(8, "ban-drop-table")]


def test_each_revision_is_linted_on_its_own(project: Project) -> None:
    project.add_revision("r2", 'op.create_index("i", "team", ["id"])', after=["r1"])
    assert placed(report_of(project)) == [(7, "require-concurrent-index-creation")]
    (project.root / "alembic" / "versions" / "r2.py").unlink()
    project.add_revision(
        "r2",
        "op.execute('create table t (id bigint)'); op.create_index('i', 't', ['id'])",
        after=["r1"],
    )
    assert placed(report_of(project)) == []


def test_a_transaction_is_assumed_only_where_there_is_one(project: Project) -> None:
    project.add_revision(
        "r2",
        """op.execute("alter table team add a bigint")
    with op.get_context().autocommit_block():
        op.execute("create index concurrently i on team (id)")
        op.execute("create index concurrently if not exists j on team (id)")""",
        after=["r1"],
    )
    assert placed(report_of(project)) == [(9, "prefer-robust-stmts")]
    project.add_revision(
        "r2", 'op.execute("create index concurrently if not exists i on team (id)")', after=["r1"]
    )
    assert placed(report_of(project)) == [(7, "ban-concurrent-index-creation-in-transaction")]


@pytest.mark.parametrize(
    "body",
    [
        'op.drop_table("team")  # dbctl: ignore ban-drop-table: nobody reads it',
        '# dbctl: ignore ban-drop-table: nobody reads it\n    op.drop_table("team")',
        '# dbctl: ignore ban-drop-table: nobody reads it\n    # so\n    op.drop_table("team")',
        'op.drop_table(\n        "team",  # dbctl:ignore ban-drop-table:nobody reads it\n    )',
        'op.drop_table(\n    # dbctl: ignore  ban-drop-table : nobody reads it\n    "team")',
        'op.drop_table(\n        "team",\n    )  # dbctl: ignore ban-drop-table: nobody reads it',
        'for t in "a":  # dbctl: ignore ban-drop-table: nobody reads it\n        op.drop_table(t)',
        '"""text\n# dbctl: ignore ban-drop-column: no"""\n'
        "    op.drop_table('team') # dbctl: ignore ban-drop-table: nobody reads it",
    ],
)
def test_a_comment_at_a_statement_ignores_a_rule_there(project: Project, body: str) -> None:
    project.add_revision("r2", body, after=["r1"])
    report = report_of(project)
    assert placed(report) == []
    assert [(each.rule, each.reason) for each in report.ignored] == [
        ("ban-drop-table", "nobody reads it")
    ]
    assert report.exit_code is ExitCode.OK


def test_a_comment_holds_for_its_statement_and_its_rules_alone(project: Project) -> None:
    project.add_revision(
        "r2",
        """op.drop_table("a")  # dbctl: ignore ban-drop-table, ban-drop-column: they are empty
    op.drop_table("b")
    op.drop_column("c", "d")""",
        after=["r1"],
    )
    report = report_of(project)
    assert placed(report) == [
        (8, "ban-drop-table"),
        (9, "ban-drop-column"),
        (7, "unused-ignore"),
    ]
    assert report.findings[-1].message == "Nothing breaks ban-drop-column here."


@pytest.mark.parametrize("place", ["{}\n", "x = 1  {}\n", "def helper():\n    pass\n\n{}\n"])
def test_a_comment_at_the_level_of_the_module_holds_for_the_revision(
    project: Project, place: str
) -> None:
    path = project.add_revision("r2", 'op.drop_table("a")\n    op.drop_table("b")', after=["r1"])
    comment = place.format("# dbctl: ignore ban-drop-table: they are empty: really")
    path.write_text(path.read_text().replace("def upgrade", f"{comment}def upgrade"))
    report = report_of(project)
    assert (placed(report), len(report.ignored)) == ([], 2)
    assert report.ignored[0].reason == "they are empty: really"


@pytest.mark.parametrize(
    ("comment", "findings"),
    [
        ("# dbctl: ignore ban-drop-table", ["ban-drop-table", "ignore-without-reason"]),
        ("# dbctl: ignore ban-drop-table:  ", ["ban-drop-table", "ignore-without-reason"]),
        ("# dbctl: ignore", ["ban-drop-table", "ignore-without-reason"]),
        ("# dbctl: ignore: it is empty", ["ban-drop-table", "ignore-without-reason"]),
        ("# dbctl: ignore ban-drop: it is empty", ["ban-drop-table", "unused-ignore"]),
        ("# dbctl: ignored", ["ban-drop-table"]),
    ],
)
def test_a_comment_that_ignores_nothing_is_found_itself(
    project: Project, comment: str, findings: list[str]
) -> None:
    project.add_revision("r2", f'op.drop_table("team")  {comment}', after=["r1"])
    report = report_of(project)
    assert [(each.line, each.rule) for each in report.findings] == [(7, rule) for rule in findings]
    if "unused-ignore" in findings:
        assert report.findings[-1].message == "The rule ban-drop does not exist."


def test_a_revision_that_cannot_be_rendered_is_told_and_does_not_fail(project: Project) -> None:
    project.add_revision("r2", "op.get_bind().execute(sa.text('select 1')).all()", after=["r1"])
    project.add_revision("r3", 'op.drop_table("team")', after=["r2"])
    report = report_of(project)
    (skipped,) = report.skipped
    assert (skipped.file, skipped.line) == ("alembic/versions/r2.py", 7)
    assert placed(report) == [(7, "ban-drop-table")]
    assert report.revisions == 3


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ("raise RuntimeError('no')", "env.py failed: RuntimeError: no ({path}:1)"),
        ("", "env.py does not run the revisions when it is asked for their SQL"),
    ],
)
def test_lint_env_py_that_renders_nothing_skips_every_revision(
    project: Project, env: str, reason: str
) -> None:
    path = project.write_alembic("env.py", env)
    (skipped,) = report_of(project).skipped
    assert skipped.reason == reason.format(path=path)


def test_only_revisions_after_the_given_one_are_linted(project: Project) -> None:
    project.add_revision("r2", 'op.drop_table("a")', after=["r1"])
    project.add_revision("r3", 'op.drop_table("b")', after=["r2"])
    project.add_revision("side", 'op.drop_table("c")', after=["r2"])

    def files(revision: str | None) -> list[str]:
        return sorted(Path(each.file).stem for each in report_of(project, revision).findings)

    assert files(None) == files("base") == ["r2", "r3", "side"]
    assert files("r2") == ["r3", "side"]
    assert files("r3") == ["side"]
    assert files("heads") == []
    with pytest.raises(UsageError, match="nope"):
        report_of(project, "nope")


def test_the_projects_own_squawk_toml_holds(project: Project) -> None:
    project.add_revision("r2", 'op.drop_table("team")', after=["r1"])
    toml = project.root / ".squawk.toml"
    toml.write_text('excluded_rules = ["ban-drop-table"]\nassume_in_transaction = true\n')
    assert placed(report_of(project)) == []
    toml.write_text('excluded_rules = ["no-such-rule"]\n')
    with pytest.raises(ConfigurationError, match=r"\.squawk\.toml.*no-such-rule"):
        report_of(project)


def test_the_version_of_the_server_counts(project: Project) -> None:
    column = 'sa.Column("n", sa.BigInteger, server_default="1")'
    project.add_revision("r2", f'op.add_column("team", {column})', after=["r1"])
    assert placed(report_of(project, pg_version="16.3")) == []
    assert placed(report_of(project, pg_version="10.0")) == [(7, "adding-field-with-default")]


def test_without_squawk_it_is_said_how_to_install_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as raised:
        report_of(project)
    assert raised.value.exit_code is ExitCode.USAGE
    assert raised.value.hint is not None
    assert "'dbctl-pg[lint]'" in raised.value.hint


def test_a_squawk_that_breaks_down_is_told_with_its_status(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / "squawk"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'out of cheese' >&2\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken.with_name("python")))
    with pytest.raises(OperationFailed, match="status 7: out of cheese"):
        report_of(project)
    assert shutil.which("squawk", path=str(broken.parent)) == str(broken)


def test_a_statement_of_another_file_is_found_without_a_line(project: Project) -> None:
    (project.root / "shop" / "helper.py").write_text("def drop(op): op.drop_table('team')\n")
    project.add_revision(
        "r2", "import functools, operator\n    functools.reduce(lambda a, b: b, [1])", after=["r1"]
    )
    path = project.write_alembic(
        "versions/r2.py",
        "from functools import partial\nfrom alembic import op\n"
        "# dbctl: ignore ban-drop-table: it is empty\n"
        "revision = 'r2'\ndown_revision = 'r1'\nupgrade = partial(op.drop_table, 'team')\n",
    )
    report = report_of(project)
    assert (placed(report), report.ignored[0].line) == ([], None)
    path.write_text(path.read_text().replace("# dbctl", "# "))
    assert placed(report_of(project)) == [(None, "ban-drop-table")]


def test_findings_and_a_verdict_are_shown(project: Project) -> None:
    project.add_revision(
        "r2",
        "op.execute('drop table team, \"\x1b[2J\"')\n"
        "    op.drop_table('b')  # dbctl: ignore ban-drop-table: it is empty",
        after=["r1"],
    )
    project.add_revision("r3", "raise SystemExit(3)", after=["r2"])
    out = io.StringIO()
    show(plan_views.lint(report_of(project)), out)
    text = out.getvalue()
    assert "alembic/versions/r2.py:7 warning ban-drop-table" in text
    assert r"\x1b[2J" in text
    assert "\x1b[2J" not in text
    assert "alembic/versions/r2.py:8 ban-drop-table is ignored: it is empty" in text
    assert "alembic/versions/r3.py:7 was not linted: SystemExit: 3" in text
    assert "alembic/versions/r2.py:8 note several-tables-locked" in text
    assert "✗ 2 of 3 revisions linted, 2 findings, 1 ignored" in text


def test_the_csv_form_has_a_row_per_finding(project: Project) -> None:
    assert (list(report_of(project).records()), report_of(project).columns()) == (
        [],
        list(Finding.model_fields),
    )
    project.add_revision("r2", 'op.drop_table("team")', after=["r1"])
    (row,) = report_of(project).records()
    assert (row["file"], row["line"], row["rule"]) == (
        "alembic/versions/r2.py",
        7,
        "ban-drop-table",
    )


def test_lint_rules_of_dbctl_and_squawk_are_found_together_in_the_order_of_lines(
    project: Project,
) -> None:
    project.add_revision(
        "r2",
        """op.execute("alter table team set unlogged")
    op.drop_column("team", "a")
    op.execute("update team set b = 1")""",
        after=["r1"],
    )
    report = report_of(project)
    assert placed(report) == [
        (7, "table-rewrite"),
        (8, "ban-drop-column"),
        (9, "change-without-where"),
        (9, "work-after-exclusive-lock"),
    ]
    (rewrite, *_) = report.findings
    assert (rewrite.sql, rewrite.level) == ("alter table team set unlogged", Severity.WARNING)
    assert rewrite.help is not None


def test_lint_rule_of_dbctl_is_ignored_by_a_comment(project: Project) -> None:
    project.add_revision(
        "r2",
        "# dbctl: ignore truncate: it is a cache\n    op.execute('truncate team')\n"
        "    op.execute('truncate b')  # dbctl: ignore table-rewrite: no",
        after=["r1"],
    )
    report = report_of(project)
    assert placed(report) == [(9, "truncate"), (9, "unused-ignore")]
    assert [(each.rule, each.line) for each in report.ignored] == [("truncate", 8)]
    assert report.findings[-1].message == "Nothing breaks table-rewrite here."


def test_lint_note_fails_only_where_it_is_asked_for(project: Project) -> None:
    trigger = "create trigger t before insert on team for each row execute function f()"
    project.add_revision("r2", f"op.execute('{trigger}')", after=["r1"])
    assert [each.rule for each in report_of(project).findings] == ["trigger-changed"]
    assert report_of(project).exit_code is ExitCode.OK
    assert report_of(project, fail_on=Severity.NOTE).exit_code is ExitCode.FINDING
