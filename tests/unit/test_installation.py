import sys
from pathlib import Path

import pytest

from dbctl.installation import install_command

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
