"""Run PostgreSQL's programs: as which user, with which environment, cut off from the terminal."""

import os
import pwd
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dbctl.db.pgfailures import embedded_failure

SERVICE_USERS = ("postgres", "_postgres", "nobody")

# A list of what may pass, not of what may not: PG* would change what the programs do, and the
# caller's secrets have no place in a server that lives on, perhaps as another user.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE", "TZ")


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system user that a server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_caller(self) -> bool:
        """Tell whether no change of user is needed."""
        return self.uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and all it printed."""

    returncode: int
    output: str

    @property
    def ending(self) -> str:
        """Say the exit status in words."""
        if self.returncode >= 0:
            return f"ended with status {self.returncode}"
        return f"was killed by {signal.Signals(-self.returncode).name}"


def service_account(data_dir: Path | None = None) -> Account:
    """Return the account to run a server as: the caller's, or for root an unprivileged one.

    PostgreSQL refuses to run as root. A cluster in `data_dir` that exists keeps its owner.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(f"user {uid}", uid, os.getegid())
    owner = _owner(data_dir) if data_dir is not None else None
    candidates = SERVICE_USERS if owner is None else (owner, *SERVICE_USERS)
    for name in candidates:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise embedded_failure(
        "PostgreSQL cannot run as root, and no user called postgres or nobody exists here.",
        hint="Run dbctl as an ordinary user, or set DATABASE_URL to use another PostgreSQL.",
    )


def spawn(
    argv: Sequence[str | Path],
    account: Account,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int,
    keep_fds: Iterable[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C in the terminal does not reach it."""
    change = not account.is_caller
    return subprocess.Popen(
        [os.fspath(part) for part in argv],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=_environment(),
        start_new_session=True,
        pass_fds=tuple(keep_fds),
        user=account.uid if change else None,
        group=account.gid if change else None,
        extra_groups=[] if change else None,
    )


def run(
    argv: Sequence[str | Path],
    account: Account,
    *,
    script: str = "",
    keep_fds: Iterable[int] = (),
    timeout: float = 120,
) -> Outcome:
    """Run a program to its end and return how it went; leave no process behind when interrupted.

    `keep_fds` is inherited by the program and its children: a lock among them stays held for as
    long as any of them lives, even when this process is killed.
    """
    process = spawn(argv, account, stdin=subprocess.PIPE, stdout=subprocess.PIPE, keep_fds=keep_fds)
    with process:
        try:
            output, _ = process.communicate(script.encode(), timeout)
        except BaseException as error:
            _end_group(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise embedded_failure(f"{argv[0]} did not end within {timeout:.0f} s.") from None
            raise
    return Outcome(process.returncode, output.decode(errors="replace"))


def command_line_names(pid: int, text: str) -> bool:
    """Tell whether process `pid` exists and was started with `text` as one of its arguments.

    Reads the command line because, unlike the working directory, it can be read without special
    rights when root looks at another user's process in a container.
    """
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsencode(text) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
    listed = subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
    )
    return os.fsencode(text) in listed.stdout


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children, at first gently: PostgreSQL then frees shared memory."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {"LC_ALL": "C"}


def _owner(path: Path) -> str | None:
    """Return the name of the unprivileged user who owns `path`, if it exists and there is one."""
    try:
        uid = path.stat().st_uid
        return pwd.getpwuid(uid).pw_name if uid != 0 else None
    except (OSError, KeyError):
        return None
