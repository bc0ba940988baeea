"""What is found in the files of an Alembic project, compared with what Alembic makes of them."""

import os
from pathlib import Path

import pytest

from dbctl.errors import ConfigurationError
from dbctl.migrate.discovery import EnvStyle, TargetMetadata, discover, style_of, target_metadata_in
from dbctl.migrate.scripts import open_scripts
from dbctl.settings import load_settings

CONFIGURATIONS = {
    "plain": {"alembic.ini": "[alembic]\nscript_location = migrations\n"},
    "here": {"alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n"},
    "flask": {"migrations/alembic.ini": "[alembic]\n"},
    "legacy": {
        "alembic.ini": "[alembic]\nscript_location = migrations\n"
        "version_locations = migrations/versions more, %(here)s/third\n"
    },
    "separated": {
        "alembic.ini": "[alembic]\nscript_location = migrations\npath_separator = os\n"
        f"version_locations = migrations/versions{os.pathsep}more\n"
    },
    "lines": {
        "alembic.ini": "[alembic]\nscript_location = migrations\npath_separator = newline\n"
        "version_locations =\n  %(here)s/more\n  migrations/versions\n"
    },
    "pyproject": {
        "pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
        'version_locations = ["%(here)s/more", "third"]\n'
    },
    "both": {
        "alembic.ini": "[alembic]\nsqlalchemy.url = postgresql+psycopg://u:p%%40@h/d\n",
        "pyproject.toml": '[tool.alembic]\nscript_location = "migrations"\n',
    },
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.filterwarnings("ignore:.*path_separator:DeprecationWarning")
@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("folder", ["shop", "100% shop"])
def test_discover_configuration_finds_the_folders_that_alembic_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str
) -> None:
    root = tmp_path / folder
    write(root, {"migrations/env.py": "", **CONFIGURATIONS[name]})
    (root / "migrations" / "versions").mkdir()
    monkeypatch.chdir(root)
    settings = load_settings()
    found = discover(settings)
    _, scripts = open_scripts(settings)
    assert found.scripts == scripts.dir
    assert [os.path.abspath(each) for each in scripts._version_locations] == list(found.revisions)  # noqa: PTH100
    assert found.env_py == root / "migrations" / "env.py"
    assert found.driver == ("psycopg" if name == "both" else None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[alembic]\n", "has no script_location"),
        ("[alembic\nscript_location = a\n", "cannot be read"),
        ("[alembic]\nscript_location = %(nowhere)s/a\n", "cannot be read"),
        (
            "[alembic]\nscript_location = a\npath_separator = x\nversion_locations = a\n",
            "cannot be read",
        ),
    ],
)
def test_discover_unusable_ini_raises_configuration_error_that_names_it(
    tmp_path: Path, text: str, said: str
) -> None:
    write(tmp_path, {"alembic.ini": text})
    with pytest.raises(ConfigurationError, match=said) as raised:
        discover(load_settings(start=tmp_path))
    assert str(tmp_path / "alembic.ini") in raised.value.message


@pytest.mark.parametrize(
    ("text", "several", "style"),
    [
        ("from sqlalchemy import engine_from_config\n", False, EnvStyle.SYNC),
        ("connectable = async_engine_from_config(x)\n", False, EnvStyle.ASYNC),
        ("from flask import current_app\n", True, EnvStyle.FLASK),
        ("from sqlalchemy import engine_from_config\n", True, EnvStyle.SEVERAL),
        ("from dbctl.migrate.environment import with_connection\n", False, EnvStyle.DBCTL),
    ],
)
def test_style_of_env_py_is_read_from_its_text(text: str, several: bool, style: EnvStyle) -> None:
    assert style_of(text, several=several) is style


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("target_metadata = None\n", TargetMetadata(None, None, 1)),
        (
            "from shop.models import Base\n\ntarget_metadata = Base.metadata\n",
            TargetMetadata("Base.metadata", "shop.models", 3),
        ),
        (
            "from ..db import a as b\ntarget_metadata: list = [b.metadata, c]\n",
            TargetMetadata("[b.metadata, c]", "..db", 2),
        ),
        (
            "import shop.models\ntarget_metadata = shop.models.m",
            TargetMetadata("shop.models.m", "shop.models", 2),
        ),
        ("context.configure(target_metadata=x)\n", None),
        ("def broken(:\n", None),
    ],
)
def test_target_metadata_is_the_last_assignment_with_its_import(
    text: str, found: TargetMetadata | None
) -> None:
    assert target_metadata_in(text) == found
