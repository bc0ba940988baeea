import sys
from pathlib import Path

import pytest

from dbctl.installation import command_prefix, install_command, uv_add

UV = "home = /usr/bin\nuv = 0.9.1\n"


@pytest.mark.parametrize(
    ("folder", "files", "expected"),
    [
        ("tools/dbctl-pg", {"uv-receipt.toml": "", "pyvenv.cfg": UV}, "uv tool install {}"),
        ("venvs/dbctl-pg", {"pipx_metadata.json": "{}"}, "pipx install --force {}"),
        ("archive-v0/abc", {"pyvenv.cfg": UV}, "uvx --from {} dbctl"),
        (".venv", {"pyvenv.cfg": UV}, "uv add {}"),
        (".venv", {"pyvenv.cfg": "home = /usr/bin\n"}, "pip install {}"),
        ("usr", {}, "pip install {}"),
    ],
)
def test_install_command_is_that_of_the_installer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    files: dict[str, str],
    expected: str,
) -> None:
    environment = tmp_path / folder
    environment.mkdir(parents=True)
    for name, text in files.items():
        (environment / name).write_text(text)
    monkeypatch.setattr(sys, "prefix", str(environment))
    assert install_command("api") == expected.format("'dbctl-pg[api]'")


@pytest.mark.parametrize(
    ("folder", "depth", "prefix"),
    [
        (".venv", None, "dbctl"),
        (".venv", "1", "uv run dbctl"),
        ("archive-v0/abc", None, "uv run dbctl"),
    ],
)
def test_command_prefix_is_how_dbctl_was_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    depth: str | None,
    prefix: str,
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "pyvenv.cfg").write_text(UV)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / folder))
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    if depth is not None:
        monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", depth)
    assert command_prefix() == prefix
    needed = None if prefix == "dbctl" else "uv add 'dbctl-pg[embedded]'"
    assert uv_add("[project]\nname = 'shop'\n") == needed
    assert uv_add("dependencies = ['dbctl-pg']") is None
