"""Lint the SQL of revisions, and place in their files what squawk and dbctl's rules find."""

import shutil
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from alembic.runtime.migration import RevisionStep
from pydantic import BaseModel, TypeAdapter, ValidationError

from dbctl.errors import ConfigurationError, ErrorCode, OperationFailed
from dbctl.installation import install_command
from dbctl.migrate.catalogue.effects import Effect
from dbctl.migrate.lint_ignores import Ignore, read_ignores
from dbctl.migrate.lint_rules import NAMES, breaches, facts_of
from dbctl.migrate.offline import Rendered, Statement
from dbctl.migrate.plan_results import Finding, Ignored, Kind, LintReport, Skipped
from dbctl.migrate.scripts import Checkout, refusals
from dbctl.migrate.severity import Severity
from dbctl.migrate.statements import Work

# Left out here and not by an option, which would replace those of the project's configuration.
_EXCLUDED = (
    # `up` sets a lock_timeout itself and tries again, which no revision can do.
    "require-lock-timeout",
    # It would end a long CREATE INDEX or VALIDATE that harms nobody; what does harm is the wait
    # for a lock, and that is bounded.
    "require-statement-timeout",
)
# What these find costs nothing where the catalogue shows that no row is read or rewritten.
_ABOUT_WORK = ("changing-column-type", "adding-field-with-default", "adding-not-nullable-field")
_SYNTAX_ERROR = "syntax-error"
_SECONDS = 30
_EXCERPT = 200


class _Found(BaseModel):
    """A finding as squawk's JSON has it; lines count from 0."""

    line: int
    level: Literal["Error", "Warning"]
    message: str
    help: str | None
    rule_name: str


_FOUND = TypeAdapter(list[_Found])


def lint(
    rendered: Sequence[Rendered],
    *,
    project: Path,
    fail_on: Severity,
    pg_version: str | None = None,
    effects: Sequence[Sequence[Effect]] | None = None,
) -> LintReport:
    """Return what squawk and the rules of dbctl find in the revisions, each linted on its own.

    A `.squawk.toml` of the project holds. `pg_version` is the server's, such as "16.3". A comment
    `# dbctl: ignore RULE, RULE: REASON` at a statement ignores the rules there, at the top of the
    module in the whole revision. `effects` are those of each revision's own statements on the
    database that it is to run on, where that is known. Raises ConfigurationError where squawk is
    not installed or its configuration is wrong, OperationFailed where it does not do its work.
    """
    squawk = _Squawk(_program(), project, pg_version)
    findings: list[Finding] = []
    ignored: list[Ignored] = []
    skipped: list[Skipped] = []
    for each, known in zip(rendered, effects or [()] * len(rendered), strict=True):
        file = _shown(Path(each.script.path), project)
        revision = each.script.revision
        if each.reason is not None:
            skipped.append(
                Skipped(revision=revision, file=file, line=each.line, reason=each.reason)
            )
            continue
        ignores = read_ignores(Path(each.script.path))
        for found, effect in _findings(squawk, each, file, known):
            reason = _ignoring(ignores, found) or _refuting(found, effect)
            if reason is None:
                findings.append(found)
            else:
                ignored.append(
                    Ignored(
                        revision=revision,
                        file=file,
                        line=found.line,
                        rule=found.rule,
                        reason=reason,
                    )
                )
        findings += _faults(squawk, ignores, revision, file)
    return LintReport(
        revisions=len(rendered),
        fail_on=fail_on,
        findings=tuple(findings),
        ignored=tuple(ignored),
        skipped=tuple(skipped),
    )


def lint_pending(
    checkout: Checkout, pending: Sequence[tuple[Rendered, Sequence[Effect]]]
) -> LintReport:
    """Lint what an upgrade would run, as `plan.describe_pending` returns it."""
    return lint(
        [rendered for rendered, _ in pending],
        project=checkout.folder,
        fail_on=Severity.WARNING,
        effects=[effects for _, effects in pending],
    )


def since(checkout: Checkout, revision: str | None) -> tuple[list[RevisionStep], tuple[str, ...]]:
    """Return the upgrades after `revision`, or all, up to every head, and where they start.

    Raises UsageError for a revision that does not exist.
    """
    lower: tuple[str, ...] = ()
    if revision is not None:
        with refusals(checkout, revision):
            found = checkout.scripts.get_revisions(revision)
        lower = tuple(script.revision for script in found if script)
    return list(checkout.scripts._upgrade_revs("heads", lower)), lower  # type: ignore[arg-type]


class _Squawk:
    """The program, in the folder whose configuration holds."""

    def __init__(self, program: str, project: Path, pg_version: str | None) -> None:
        self._command = [program, "--reporter", "json"]
        self._options = [] if pg_version is None else [f"--pg-version={pg_version}"]
        self._project = project

    def check(self, statements: Sequence[Statement]) -> Iterator[tuple[Statement, str, _Found]]:
        """Yield each finding with its statement and the line of it that is meant."""
        starts, lines = [], list[str]()
        for statement in statements:
            starts.append(len(lines))
            lines += [*statement.sql.split("\n"), ";"]
        # They bring their BEGIN and COMMIT, whatever the configuration assumes.
        done = self._run([*self._options, "--no-assume-in-transaction"], "\n".join(lines))
        try:
            found = _FOUND.validate_json(done.stdout)
        except ValidationError as error:
            raise self._failure(done, error) from error
        broken = set[int]()
        for each in found:
            if each.rule_name in _EXCLUDED:
                continue
            index = bisect_right(starts, each.line) - 1
            yield statements[index], lines[each.line], each
            if each.rule_name == _SYNTAX_ERROR:
                broken.add(index)
        if broken:  # it looks no further where it cannot read a statement
            rest = [each for index, each in enumerate(statements) if index not in broken]
            yield from self.check(rest)

    def knows(self, rule: str) -> bool:
        """Tell whether there is such a rule."""
        return rule == _SYNTAX_ERROR or self._run([f"--exclude={rule}"], "").returncode == 0

    def _run(self, options: Sequence[str], sql: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._command, *options],
                input=sql,
                cwd=self._project,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OperationFailed(
                f"squawk gave no answer in {_SECONDS} seconds",
                hint="Try it on the SQL by hand: `dbctl migrate plan | squawk`.",
            ) from error
        except OSError as error:
            raise OperationFailed(
                f"squawk cannot be run: {error}",
                hint=f"Install it again: {install_command('lint')}.",
            ) from error

    def _failure(
        self, done: subprocess.CompletedProcess[str], error: ValidationError
    ) -> ConfigurationError | OperationFailed:
        """Describe why there is no JSON."""
        said = done.stderr.strip().partition("\n")[0]
        if said.startswith("Configuration error"):
            return ConfigurationError(
                f"squawk refuses its .squawk.toml: {said}",
                hint=f"Correct the file in {self._project} or above it.",
            )
        return OperationFailed(
            f"squawk failed with status {done.returncode}: {said or error}",
            hint="Check that `squawk --version` is at least 2.70.",
        )


def _program() -> str:
    """Return squawk's path: the one of this environment, else the one of the system."""
    own = str(Path(sys.executable).parent)
    found = shutil.which("squawk", path=own) or shutil.which("squawk")
    if found is None:
        raise ConfigurationError(
            "squawk, which lints the revisions, is not installed",
            hint=f"Install it beside dbctl: {install_command('lint')}.",
            code=ErrorCode.CONFIGURATION,
        )
    return found


def _findings(
    squawk: _Squawk, rendered: Rendered, file: str, effects: Sequence[Effect]
) -> list[tuple[Finding, Effect | None]]:
    """Return what squawk and the rules of dbctl find in one revision, in the order of its lines.

    With each goes the effect of its statement, where that is known.
    """
    statements = [each for each in rendered.statements if each.kind is not Kind.BOOKKEEPING]
    own = [each for each in statements if each.kind is Kind.REVISION]
    known = {id(each): effect for each, effect in zip(own, effects, strict=False)}
    findings = [
        (
            Finding(
                revision=rendered.script.revision,
                file=file,
                line=statement.line,
                rule=found.rule_name,
                level=Severity(found.level.lower()),
                message=found.message,
                help=found.help,
                sql=sql.strip()[:_EXCERPT],
            ),
            known.get(id(statement)),
        )
        for statement, sql, found in squawk.check(statements)
    ]
    findings += [
        (
            Finding(
                revision=rendered.script.revision,
                file=file,
                line=facts.statement.line,
                rule=breach.rule,
                level=breach.level,
                message=breach.message,
                help=breach.help or None,
                sql=" ".join(facts.sql.split())[:_EXCERPT],
            ),
            facts.effect,
        )
        for facts in facts_of(statements, known)
        for breach in breaches(facts)
    ]
    return sorted(findings, key=lambda found: found[0].line or 0)


def _refuting(found: Finding, effect: Effect | None) -> str | None:
    """Return why the database does not do the work that a finding is about."""
    if effect is not None and effect.work is Work.NONE and found.rule in _ABOUT_WORK:
        return effect.note or "no row is read or rewritten here"
    return None


def _ignoring(ignores: Sequence[Ignore], found: Finding) -> str | None:
    """Return the reason for which a comment ignores the finding."""
    reasons = [ignore.reason for ignore in ignores if ignore.covers(found.rule, found.line)]
    return reasons[0] if reasons else None


def _faults(
    squawk: _Squawk, ignores: Sequence[Ignore], revision: str, file: str
) -> Iterator[Finding]:
    """Yield what is wrong with the comments themselves."""
    for ignore in ignores:
        said = []
        if not (ignore.reason and ignore.rules):
            said = [("ignore-without-reason", "The comment ignores nothing: it gives no reason.")]
        for rule in sorted(ignore.unused()):
            if rule in NAMES or squawk.knows(rule):
                message = f"Nothing breaks {rule} here."
            else:
                message = f"The rule {rule} does not exist."
            said.append(("unused-ignore", message))
        for rule, message in said:
            yield Finding(
                revision=revision,
                file=file,
                line=ignore.line,
                rule=rule,
                level=Severity.WARNING,
                message=message,
                help="Write it as `# dbctl: ignore RULE: REASON`, or remove it.",
            )


def _shown(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)
