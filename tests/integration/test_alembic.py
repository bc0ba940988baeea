"""pytest-alembic's four tests on the revisions that ship, and that each of them can fail.

Its collector does not work with pytest 9, so that the tests are imported. env.py opens its own
connection, as it does under plain `alembic`: it takes no engine.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_alembic
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from pytest_alembic.plugin.error import AlembicTestFailure
from pytest_alembic.runner import MigrationContext
from pytest_alembic.tests import (
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)

from tests.support.cli import ROOT
from tests.support.databases import fetch

__all__ = [
    "test_model_definitions_match_ddl",
    "test_single_head_revision",
    "test_up_down_consistency",
    "test_upgrade",
]

# Everything a revision can make, but for what belongs to Alembic itself.
_OBJECTS = """
    select 'relation ' || relname from pg_class
    where relnamespace = 'public'::regnamespace and relname not like 'alembic\\_version%'
    union all
    select 'type ' || typname from pg_type
    where typnamespace = 'public'::regnamespace and typname not like '%alembic\\_version'
    union all
    select 'function ' || proname from pg_proc where pronamespace = 'public'::regnamespace
    order by 1
"""

_REVISION = """
from alembic import op

revision = "{revision}"
down_revision = "{after}"
branch_labels = None
depends_on = None

def upgrade() -> None:
    {upgrade}

def downgrade() -> None:
    {downgrade}
"""


@pytest.fixture
def alembic_config() -> Config:
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def alembic_engine(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead env.py to an empty database."""
    monkeypatch.setenv("DATABASE_URL", empty_url)


@pytest.mark.usefixtures("alembic_engine")
def test_a_downgrade_leaves_nothing_behind_and_can_be_undone(
    alembic_config: Config, empty_url: str
) -> None:
    before = fetch(empty_url, _OBJECTS)
    command.upgrade(alembic_config, "head")
    upgraded = fetch(empty_url, _OBJECTS)
    assert {"relation tasks", "relation ix_tasks_tags", "type task_status"} <= set(upgraded)
    command.downgrade(alembic_config, "base")
    assert fetch(empty_url, _OBJECTS) == before
    command.upgrade(alembic_config, "head")
    assert fetch(empty_url, _OBJECTS) == upgraded


@pytest.mark.parametrize(
    ("test", "upgrade", "downgrade", "complaint"),
    [
        (
            test_upgrade,
            "op.drop_table('absent')",
            "pass",
            'table "absent" does not exist',
        ),
        (
            test_model_definitions_match_ddl,
            "op.drop_column('users', 'name')",
            "pass",
            "out of sync",
        ),
        (
            test_up_down_consistency,
            "pass",
            "op.drop_table('absent')",
            "Failed to downgrade through each revision",
        ),
    ],
)
@pytest.mark.usefixtures("alembic_engine")
def test_it_fails_on_a_broken_revision(
    tmp_path: Path,
    test: Callable[[MigrationContext], None],
    upgrade: str,
    downgrade: str,
    complaint: str,
) -> None:
    config = config_with(tmp_path, ("broken", upgrade, downgrade))
    with pytest_alembic.runner(config=config) as runner, pytest.raises(Exception, match=complaint):
        test(runner)


@pytest.mark.usefixtures("alembic_engine")
def test_it_fails_on_two_heads(tmp_path: Path) -> None:
    config = config_with(tmp_path, ("one", "pass", "pass"), ("other", "pass", "pass"))
    with (
        pytest_alembic.runner(config=config) as runner,
        pytest.raises(AlembicTestFailure, match="Expected 1 head revision, found 2"),
    ):
        test_single_head_revision(runner)


def config_with(folder: Path, *revisions: tuple[str, str, str]) -> pytest_alembic.Config:
    """Return the configuration of a copy in `folder` with `revisions` after today's head."""
    shutil.copy(ROOT / "alembic.ini", folder)
    shutil.copytree(ROOT / "alembic", folder / "alembic")
    config = Config(folder / "alembic.ini")
    head = ScriptDirectory.from_config(config).get_current_head()
    for name, upgrade, downgrade in revisions:
        source = _REVISION.format(revision=name, after=head, upgrade=upgrade, downgrade=downgrade)
        (folder / "alembic" / "versions" / f"{name}.py").write_text(source)
    return pytest_alembic.Config(alembic_config=config)
