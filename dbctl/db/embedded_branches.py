"""The branches of an embedded server: databases beside the default one, and which is in use.

Beside the data of a cluster lie

    branch           the branch that `dbctl server switch` chose
    branches.json    the branches and snapshots as dbctl last saw them, to be shown without a server
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbctl.draft import drafted
from dbctl.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from dbctl.settings import Settings

DEFAULT = "default"
DEFAULT_DATABASE = "app"
_CHOICE, _NOTE = "branch", "branches.json"
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,31}")
# What the name of a database ends with that is not its branch's as it stands.
_DIGEST = re.compile(r"_[0-9a-f]{12}")
_LONGEST = 200
# What a clone of a repository has checked out at first, where no remote says otherwise.
_TRUNKS = ("main", "master")
_GIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch by its name; `origin` says what chose it."""

    name: str = DEFAULT
    origin: str = "default"
    made_at_need: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it is the database that the server was created with."""
        return self.name == DEFAULT

    @property
    def database(self) -> str:
        """The name of its database."""
        return DEFAULT_DATABASE if self.is_default else database_of(DEFAULT_DATABASE, self.name)


def database_of(prefix: str, name: str) -> str:
    """Return the name of a database for any `name`, the same one each time.

    It needs no quotes and no escape in a URL. A name that is none of an identifier, or that looks
    like the result for another one, gets a digest.
    """
    if _PLAIN.fullmatch(name) and not _DIGEST.fullmatch(name[-13:]):
        return f"{prefix}_{name}"
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:32].rstrip("_")
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return "_".join(part for part in (prefix, slug, digest) if part)


def checked(name: str) -> str:
    """Return the name of a branch or a snapshot; raises UsageError for one that cannot be used."""
    if not name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise UsageError(
            f"{name!r} is not a name for a branch or a snapshot",
            hint=f"Give 1 to {_LONGEST} printable characters.",
        )
    return name


def branch_in_use(settings: Settings, cluster_dir: Path) -> Branch:
    """Return the branch that commands use: of the settings, of git, or the one switched to.

    Raises ConfigurationError where git cannot say which of its branches is checked out.
    """
    if settings.branch:
        return Branch(settings.branch, f"DBCTL_BRANCH ({settings.source_of('branch')})")
    if settings.branch_per_git_branch:
        return git_branch(settings.project)
    with suppress(OSError, ValueError):
        return Branch((cluster_dir / _CHOICE).read_text("utf-8"), "dbctl server switch")
    return Branch()


def git_branch(project: Path) -> Branch:
    """Return the branch for the one of git that is checked out in a project.

    It is the default one for git's main branch, a detached HEAD, and a folder that is not in a
    repository. Raises ConfigurationError where git does not answer: the default one would be the
    wrong one then.
    """
    answer = _git(project, "symbolic-ref", "--quiet", "HEAD")
    if answer is None:
        return Branch(origin="no git repository")
    if not answer:
        return Branch(origin="git, detached HEAD")
    ref = answer.removeprefix("refs/heads/")
    origin = f"git branch {ref}"
    remote = _git(project, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD") or ""
    trunk = remote.removeprefix("refs/remotes/origin/")
    if ref == trunk or (not trunk and ref in _TRUNKS):
        return Branch(origin=origin)
    # Of git it is another one than the default of the server.
    return Branch(answer if ref == DEFAULT else ref, origin, made_at_need=True)


def _git(project: Path, *arguments: str) -> str | None:
    """Return what git prints, nothing where it has no answer; None without a repository."""
    environment = {k: v for k, v in os.environ.items() if k not in {"GIT_DIR", "GIT_WORK_TREE"}}
    hint = "Mend that, or name the branch in DBCTL_BRANCH."
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(project), *arguments],  # noqa: S607 - the user's own
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment | {"LC_ALL": "C"},
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        if any((folder / ".git").exists() for folder in (project, *project.parents)):
            raise ConfigurationError(
                "branch_per_git_branch is set, and git is not installed", hint=hint
            ) from None
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"git does not say its branch: {error}", hint=hint) from error
    if done.returncode in {0, 1}:
        return os.fsdecode(done.stdout).strip()
    reason = done.stderr.decode(errors="replace").strip()
    if "not a git repository" in reason:
        return None
    raise ConfigurationError(
        f"git does not say which branch is checked out in {project}: {reason}", hint=hint
    )


def switch_to(cluster_dir: Path, branch: Branch) -> None:
    """Let commands use `branch` from now on; raises OSError."""
    if branch.is_default:
        (cluster_dir / _CHOICE).unlink(missing_ok=True)
        return
    with drafted(cluster_dir / _CHOICE, mode=0o600) as draft:
        draft.write(branch.name)
        draft.keep()


def note_names(cluster_dir: Path, branches: Iterable[str], snapshots: Iterable[str]) -> None:
    """Keep what there is for lists and TAB; without a word where that is not possible."""
    text = json.dumps({"branches": sorted(branches), "snapshots": sorted(snapshots)})
    with suppress(OSError), drafted(cluster_dir / _NOTE, mode=0o600) as draft:
        draft.write(text)
        draft.keep()


def noted_names(cluster_dir: Path, kind: str) -> list[str]:
    """Return the `branches` or `snapshots` of a cluster as dbctl last saw them."""
    try:
        names = json.loads((cluster_dir / _NOTE).read_text("utf-8"))[kind]
        return [name for name in names if isinstance(name, str)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def forget_names(cluster_dir: Path) -> None:
    """Remove both files, with the data that they are about; raises OSError."""
    for name in (_CHOICE, _NOTE):
        (cluster_dir / name).unlink(missing_ok=True)
