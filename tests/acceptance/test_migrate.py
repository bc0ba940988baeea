"""`dbctl migrate` as its users run it."""

import json

from tests.support.cli import run_dbctl


def test_up_status_and_down_go_there_and_back(empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}

    before = run_dbctl("migrate", "status", "--json", env=env)
    assert (before.exit_code, before.json["state"], before.stderr) == (1, "empty", "")

    up = run_dbctl("migrate", "up", "--json", env=env)
    assert (up.exit_code, up.stderr) == (0, "")
    assert [step["message"] for step in up.json["applied"]] == ["initial schema"]

    again = run_dbctl("migrate", "up", "--json", env=env)
    assert (again.exit_code, again.json["applied"], again.stderr) == (0, [], "")

    down = run_dbctl("migrate", "down", "base", "--yes", "--json", env=env)
    assert (down.exit_code, down.json["after"], down.stderr) == (0, [], "")
    assert json.loads(before.stdout) == run_dbctl("migrate", "status", "--json", env=env).json
