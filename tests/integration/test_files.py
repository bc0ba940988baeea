"""Files that dbctl writes: whole or not at all, whatever the file system says."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbctl.draft import drafted
from dbctl.errors import OperationFailed
from tests.support.cli import invoke
from tests.support.databases import execute
from tests.support.folders import small_disk
from tests.support.project import Project


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, "64k"):
        yield folder


@pytest.fixture
def url(empty_url: str) -> str:
    """The URL of a database with a table of 2,000 rows and an empty one."""
    execute(
        empty_url,
        "CREATE TABLE t (id int PRIMARY KEY, note text)",
        "CREATE TABLE target (id int PRIMARY KEY)",
        "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 2000) i",
    )
    return empty_url


def rejected_rows(folder: Path) -> Path:
    """Write a file of which no row fits the table `target`."""
    file = folder / "rows.ndjson"
    file.write_text("".join(json.dumps({"id": "no number" * 20}) + "\n" for _ in range(1000)))
    return file


def test_load_reject_on_a_full_disk_exits_4_and_leaves_nothing(
    url: str, disk: Path, tmp_path: Path
) -> None:
    target = disk / "rejected.ndjson"
    arguments = ("--into", "target", "--reject", str(target), "--json")
    env = {"DATABASE_URL": url}
    done = invoke("seed", "load", str(rejected_rows(tmp_path)), *arguments, env=env)
    assert done.exit_code == 4, done
    assert done.json["error"]["message"] == f"cannot write {target}: No space left on device"
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.ndjson", "a.md", "a.parquet", "a.txt"])
def test_output_on_a_full_disk_exits_4_and_leaves_what_was_there(
    url: str, disk: Path, name: str
) -> None:
    target = disk / name
    target.write_text("before")
    columns = "id" if name.endswith("parquet") else "id,note"
    (disk / "ballast").write_bytes(b"x" * 56 * 1024)
    arguments = ("rows", "t", "--all", "--columns", columns, "--output", str(target))
    done = invoke("inspect", *arguments, env={"DATABASE_URL": url})
    assert done.exit_code == 4, done
    assert "No space left on device" in done.stdout + done.stderr
    assert {path.name for path in disk.iterdir()} == {name, "ballast"}
    assert target.read_text() == "before"


def test_new_on_a_full_disk_exits_2_and_leaves_no_revision(url: str, disk: Path) -> None:
    project = Project.create(disk, url)
    free = 64 * 1024 - sum(path.stat().st_blocks * 512 for path in disk.rglob("*"))
    (disk / "ballast").write_bytes(b"x" * max(free, 0))
    done = project.run("migrate", "new", "more")
    assert done.exit_code == 2, done
    assert "No space left on device" in done.stderr
    assert list((disk / "alembic" / "versions").glob("*.py")) == []


def test_cache_on_a_full_disk_is_left_out(url: str, disk: Path) -> None:
    (disk / "ballast").write_bytes(b"x" * 64 * 1024)
    env = {"DATABASE_URL": url, "XDG_CACHE_HOME": str(disk)}
    assert invoke("inspect", "tables", env=env).exit_code == 0
    assert not [path for path in disk.rglob("*") if path.is_file() and path.name != "ballast"]


def test_draft_of_a_killed_run_is_swept_by_the_next(tmp_path: Path) -> None:
    killed = os.fork()
    if killed == 0:
        with drafted(tmp_path / "a.csv") as draft:
            draft.write("half")
            draft.stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(killed, 0)
    (left,) = tmp_path.iterdir()
    with drafted(tmp_path / "b.csv") as running:  # of another name
        assert not left.exists()
        with drafted(tmp_path / "c.csv") as other:
            other.write("whole")
            other.keep()
        running.write("whole too")
        running.keep()
    assert {path.name for path in tmp_path.iterdir()} == {"b.csv", "c.csv"}


def test_draft_that_cannot_be_put_in_its_place_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with drafted(target) as draft:
        target.mkdir()
        with pytest.raises(OperationFailed, match="cannot write"):
            draft.keep()
    assert list(tmp_path.iterdir()) == [target]


def test_draft_without_locks_is_written_and_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with drafted(tmp_path / "a.csv") as first, drafted(tmp_path / "b.csv") as second:
        for draft in (first, second):
            draft.write("whole")
            draft.keep()
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}
