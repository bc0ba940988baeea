"""One PostgreSQL cluster in one folder: initialise it, start it, stop it.

Whether it lives is never decided by a pid, which may have been reused. Every process of a
cluster inherits a descriptor of `<data>.lock` on which a lock is held: the kernel frees the lock
when the last of them is gone, however it died.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dbctl.db.pgbinaries import Binaries
from dbctl.db.pgfailures import embedded_failure, essence
from dbctl.db.pgfiles import POLL_SECONDS, is_locked, make_service_folder, sync_folder, try_lock
from dbctl.db.pgprocess import (
    Account,
    Outcome,
    command_line_names,
    run,
    service_account,
    spawn,
)

PORT = 5432
SUPERUSER = "postgres"
LONGEST_SOCKET_PATH = 103  # sun_path holds 104 bytes on macOS, 108 on Linux, the last one NUL


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster in `data_dir`, listening in `socket_dir` and wherever `settings` say.

    Both folders' parents must exist, and `account` must be able to enter them and `socket_dir`.
    Callers serialise `initialise`, `start` and `stop` of one cluster.
    """

    data_dir: Path
    socket_dir: Path
    binaries: Binaries
    settings: Mapping[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=service_account)
    port: int = PORT

    @property
    def lock_file(self) -> Path:
        """Return the file that every process of the cluster keeps locked."""
        return self.data_dir.with_name(f"{self.data_dir.name}.lock")

    @property
    def start_log(self) -> Path:
        """Return the file with what the last start printed before its log was open."""
        return self.data_dir.with_name(f"{self.data_dir.name}.start.log")

    @property
    def socket_path(self) -> Path:
        """Return the Unix socket that the server listens on."""
        return self.socket_dir / f".s.PGSQL.{self.port}"

    def is_ready(self) -> bool:
        """Tell whether the server accepts connections on its socket now."""
        return self._reported_status() == "ready" and self._answers()

    def is_alive(self) -> bool:
        """Tell whether any process of the cluster exists, ready or not."""
        return is_locked(self.lock_file) or self.postmaster_pid() is not None

    def postmaster_pid(self) -> int | None:
        """Return the pid in postmaster.pid if that process really serves this folder."""
        return self._verified_pid(self.data_dir / "postmaster.pid")

    def initialise(
        self,
        *,
        database: str | None = None,
        defaults: Mapping[str, str] | None = None,
        keep_fds: Iterable[int] = (),
    ) -> None:
        """Create the cluster, all or nothing, with an empty `database` and `defaults` as settings.

        `defaults` go to ALTER SYSTEM, so that users can change them the same way; the `settings`
        of the cluster they cannot. `keep_fds` see `pgprocess.run`.
        """
        temporary = self.data_dir.with_name(f"{self.data_dir.name}.tmp-{os.getpid()}")
        statements = [
            f"ALTER SYSTEM SET {name} = {_literal(value)};\n"
            for name, value in (defaults or {}).items()
        ]
        if database is not None:
            statements.append(f'CREATE DATABASE "{database}";\n')
        try:
            make_service_folder(temporary, self.account)
            self._initdb(temporary, keep_fds)
            if statements:
                self._single_user(temporary, "".join(statements), keep_fds)
            temporary.rename(self.data_dir)
            sync_folder(self.data_dir.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def start(self, timeout: float = 60) -> None:
        """Start the server and wait until it is ready; when it already is, do nothing."""
        deadline = time.monotonic() + timeout
        self._refuse_long_socket_path()
        lock = self._claim(deadline)
        if lock is None:
            return
        try:
            self._remove_stale_files()
            process = self._launch(lock)
        finally:
            os.close(lock)
        self._await_ready(process, deadline)

    def stop(self, timeout: float = 60) -> bool:
        """Shut down fast: end sessions, keep all that is committed; False when nothing ran.

        Returns when the last process is gone.
        """
        if not self.is_alive():
            return False
        deadline = time.monotonic() + timeout
        signalled = None
        while self.is_alive():
            pid = self.postmaster_pid()
            if pid is not None and pid != signalled:
                _signal(pid, signal.SIGINT)
                signalled = pid
            self._pause(deadline, "has not shut down")
        return True

    def _claim(self, deadline: float) -> int | None:
        """Take the cluster's lock, or return None as soon as its server is ready.

        A server that is starting is awaited, so is the end of one that is stopping or was killed.
        One that has lost its socket (someone emptied /tmp) cannot be reached: it is shut down.
        """
        interrupted = False
        while not self.is_ready():
            if (lock := try_lock(self.lock_file)) is not None:
                remains = True
                try:
                    remains = self._outsider_remains()
                finally:
                    if remains:
                        os.close(lock)
                if not remains:
                    return lock
            elif not interrupted and self._lost_its_socket() and (pid := self.postmaster_pid()):
                _signal(pid, signal.SIGINT)
                interrupted = True
            self._pause(deadline, "is neither ready nor gone")
        return None

    def _outsider_remains(self) -> bool:
        """Tell whether a server without our lock is still here, one that is about to end.

        Someone deleted the folder with the lock under a running server: it has nothing left to
        save. One that was started by hand is refused.
        """
        if (pid := self.postmaster_pid()) is not None:
            raise embedded_failure(
                f"A server that dbctl did not start runs in {self.data_dir} (pid {pid}).",
                hint=f"Stop it: {self.binaries / 'pg_ctl'} stop -D '{self.data_dir}'",
            )
        if (pid := self._verified_pid(self._socket_lock_file)) is None:
            return False
        _signal(pid, signal.SIGQUIT)
        return True

    def _remove_stale_files(self) -> None:
        """Remove the pid files of a killed server, whose lock the caller holds.

        PostgreSQL would take a foreign process with a reused pid for its own, and so the zombie
        that is left while the process that started the server does not wait for it.
        """
        stale = [self.data_dir / "postmaster.pid"]
        if not self._answers():
            stale += [self.socket_path, self._socket_lock_file]
        for path in stale:
            path.unlink(missing_ok=True)

    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        # Given on the command line, no setting stored in the cluster overrides these.
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": '"{}"'.format(str(self.socket_dir).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "port": str(self.port),
            **self.settings,
        }
        argv: list[str | Path] = [self.binaries / "postgres", "-D", self.data_dir]
        options = [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        log = os.open(self.start_log, flags, 0o600)
        try:
            return spawn([*argv, *options], self.account, stdout=log, keep_fds=(lock,))
        finally:
            os.close(log)

    def _await_ready(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        try:
            while not self.is_ready():
                if process.poll() is not None:
                    ending = Outcome(process.returncode, "").ending
                    reason = essence(self._log_tail()) or f"postgres {ending}."
                    raise embedded_failure(
                        f"The PostgreSQL in {self.data_dir} did not start: {reason}"
                    )
                self._pause(deadline, "is still starting")
        finally:
            if process.returncode is None:
                # The server is meant to outlive this process; without a return code Popen would
                # warn that nobody waits for it.
                process.returncode = 0

    def _pause(self, deadline: float, complaint: str) -> None:
        if time.monotonic() > deadline:
            raise embedded_failure(
                f"The PostgreSQL in {self.data_dir} {complaint} in time.",
                hint=f"Try again in a while; its log is {self._newest_log()}, and "
                f"`lsof {self.lock_file}` lists its processes.",
            )
        time.sleep(POLL_SECONDS)

    def _initdb(self, folder: Path, keep_fds: Iterable[int]) -> None:
        common: list[str | Path] = ["-D", folder, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8"]
        outcome = Outcome(0, "")
        for locale in _locales(self.binaries.major):
            argv: list[str | Path] = [self.binaries / "initdb", *common, *locale]
            outcome = run(argv, self.account, keep_fds=keep_fds)
            if "invalid locale name" not in outcome.output:
                break
        if outcome.returncode != 0:
            raise self._failed_to_create("initdb", outcome)

    def _single_user(self, folder: Path, script: str, keep_fds: Iterable[int]) -> None:
        argv: list[str | Path] = [self.binaries / "postgres", "--single", "-D", folder, "postgres"]
        outcome = run(argv, self.account, script=script, keep_fds=keep_fds)
        # A failed statement does not change the exit status of the single-user mode.
        if outcome.returncode != 0 or re.search(r"\b(ERROR|FATAL|PANIC):", outcome.output):
            raise self._failed_to_create("postgres --single", outcome)

    def _failed_to_create(self, program: str, outcome: Outcome) -> Exception:
        reason = essence(outcome.output) or f"{program} {outcome.ending}."
        return embedded_failure(f"PostgreSQL could not create {self.data_dir}: {reason}")

    def _lost_its_socket(self) -> bool:
        return self._reported_status() == "ready" and not self.socket_path.exists()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(os.fspath(self.socket_path))
            except BlockingIOError:  # its queue is full, so it listens
                return True
            except OSError:
                return False
        return True

    @property
    def _socket_lock_file(self) -> Path:
        return self.socket_path.with_name(f"{self.socket_path.name}.lock")

    def _reported_status(self) -> str:
        lines = _lines(self.data_dir / "postmaster.pid")
        return lines[7].strip() if len(lines) > 7 else ""  # so since PostgreSQL 10

    def _verified_pid(self, pid_file: Path) -> int | None:
        """Return the pid in `pid_file` if that process really serves this folder."""
        try:
            pid = int(_lines(pid_file)[0])
        except (IndexError, ValueError):
            return None
        return pid if command_line_names(pid, str(self.data_dir)) else None

    def _newest_log(self) -> Path:
        folder = self.settings.get("log_directory")
        logs: list[Path] = [*(Path(folder).glob("*.log") if folder else ()), self.start_log]
        return max(logs, key=_modified)

    def _log_tail(self) -> str:
        """Return what the last start logged: at first to one file, then to the collector's."""
        text = _end_of(self.start_log)
        if "redirecting log output" in text:
            text += _end_of(self._newest_log()).rpartition("starting PostgreSQL")[2]
        return text

    def _refuse_long_socket_path(self) -> None:
        length = len(os.fsencode(self.socket_path))
        if length > LONGEST_SOCKET_PATH:
            raise embedded_failure(
                f"The socket path {self.socket_path} has {length} bytes; "
                f"the system allows {LONGEST_SOCKET_PATH}.",
                hint="Choose a shorter folder for the socket.",
            )


def _locales(major: int) -> Iterator[list[str]]:
    """Yield initdb's locale options, best first, for systems that do not know them all."""
    yield ["--locale=C.UTF-8"]
    if major >= 17:
        yield ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    yield ["--locale=C", "--lc-ctype=UTF-8"]  # macOS
    yield ["--locale=C"]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0


def _literal(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))


def _end_of(log: Path, size: int = 8192) -> str:
    try:
        return log.read_bytes()[-size:].decode(errors="replace")
    except OSError:
        return ""
