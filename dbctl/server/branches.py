"""Branches and snapshots of the embedded server: copies of a database beside it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal

from dbctl.db.embedded import EmbeddedServer
from dbctl.db.embedded_branches import (
    DEFAULT,
    Branch,
    branch_in_use,
    checked,
    database_of,
    switch_to,
)
from dbctl.db.embedded_copies import Copies, opened
from dbctl.db.embedded_databases import (
    DatabaseSession,
    Ending,
    Kind,
    Stored,
    new_origin,
    no_branch,
)
from dbctl.db.endpoints import FindInProject, named
from dbctl.errors import ConfigurationError, ErrorCode, RefusedError, UsageError
from dbctl.server.branch_results import (
    BranchChange,
    BranchList,
    ServerBranch,
    Snapshot,
    SnapshotList,
    SnapshotRestored,
    SnapshotsForgotten,
    SnapshotTaken,
)
from dbctl.server.control import startable
from dbctl.settings import Settings

_SNAPSHOTS = "snapshot"


class BranchingServer:
    """The embedded server of a project, running, and the branch that its commands use.

    Each method raises DbctlError for whatever goes wrong with the server.
    """

    def __init__(
        self, settings: Settings, server: EmbeddedServer, on_notice: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.server = server
        self.in_use = branch_in_use(settings, server.cluster_dir)
        self._on_notice = on_notice

    async def branches(self) -> BranchList:
        """Return every branch, the default one first."""
        async with opened(self.server, alone=False) as copies:
            found = await copies.stored()
        return BranchList(
            project=self.server.project,
            in_use=self.in_use.name,
            origin=self.in_use.origin,
            branches=tuple(self._described(one) for one in found if _is(one, Kind.BRANCH)),
        )

    async def sessions(self, branch: Branch) -> list[DatabaseSession]:
        """Return who is connected to a branch."""
        async with opened(self.server, alone=False) as copies:
            return await copies.sessions(branch.database)

    async def create(
        self, name: str, source: str | None, ending: Ending, *, switch: bool
    ) -> BranchChange:
        """Make a branch from another one, by default from the one in use.

        Raises UsageError where there is one of that name, and with `switch` what `switch` raises.
        """
        branch = Branch(checked(name))
        if switch:
            self._check_switch()
        async with self._alone() as copies:
            if await copies.find(branch.database) is not None:
                raise UsageError(
                    f"there is a branch {name!r} already",
                    hint=f"Use it with `dbctl server switch {name}`, or choose another name.",
                )
            origin = await self._existing(copies, Branch(source) if source else self.in_use)
            made = new_origin(Kind.BRANCH, name, origin.name)
            await copies.copy(origin.database, branch.database, made, ending)
            await copies.stored()
        if switch:
            self._switch(branch)
        return self._changed("created", branch, made_from=origin.name)

    async def switch(self, name: str) -> BranchChange:
        """Let commands use a branch from now on.

        Raises ConfigurationError where a setting chooses it, and where there is no such branch.
        """
        self._check_switch()
        branch = Branch(name)
        async with opened(self.server, alone=False) as copies:
            await self._existing(copies, branch)
        self._switch(branch)
        return self._changed("switched", branch)

    async def drop(self, name: str, ending: Ending) -> BranchChange:
        """Drop a branch. Raises RefusedError for the default one, and for the one in use."""
        branch = Branch(name)
        if branch.is_default:
            raise RefusedError(
                "the default branch is not dropped",
                hint="`dbctl server destroy` removes the server with all of its databases.",
            )
        if name == self.in_use.name and not self.in_use.made_at_need:
            raise RefusedError(
                f"the branch {name!r} is in use ({self.in_use.origin})",
                hint=f"Use another one first: `dbctl server switch {DEFAULT}`.",
            )
        async with self._alone() as copies:
            await self._existing(copies, branch)
            await copies.drop(branch.database, ending)
            await copies.stored()
        return self._changed("dropped", branch)

    async def snapshots(self) -> SnapshotList:
        """Return every snapshot, the newest first."""
        async with opened(self.server, alone=False) as copies:
            return SnapshotList(project=self.server.project, snapshots=await _snapshots(copies))

    async def snapshot(self, name: str | None, ending: Ending) -> SnapshotTaken:
        """Keep the state of the branch in use, by default under a name that is the time.

        Raises UsageError where there is a snapshot of that name.
        """
        name = checked(name or f"{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}")
        database = database_of(_SNAPSHOTS, name)
        async with self._alone() as copies:
            if await copies.find(database) is not None:
                raise UsageError(
                    f"there is a snapshot {name!r} already",
                    hint=f"Choose another name, or drop it: `dbctl server forget {name}`.",
                )
            branch = await self._existing(copies, self.in_use)
            made = new_origin(Kind.SNAPSHOT, name, branch.name)
            await copies.copy(branch.database, database, made, ending, connects=False)
            taken = _named(await _snapshots(copies), name)
        return SnapshotTaken(**taken.model_dump())

    async def find_snapshot(self, name: str) -> Snapshot:
        """Return a snapshot; raises UsageError, code `not_found`, where there is none."""
        return _named((await self.snapshots()).snapshots, name)

    async def restore(self, name: str, ending: Ending) -> SnapshotRestored:
        """Set the branch in use back to a snapshot; what it holds beside that is gone.

        Roles belong to the server, and stay. Raises UsageError where there is no such snapshot.
        """
        async with self._alone() as copies:
            taken = _named(await _snapshots(copies), name)
            branch = self.in_use
            before = await copies.find(branch.database)
            if before is not None:
                await copies.replace(branch.database, taken.database, before, ending)
            elif branch.made_at_need:
                made = new_origin(Kind.BRANCH, branch.name, taken.branch)
                await copies.copy(taken.database, branch.database, made, ending)
            else:
                await self._existing(copies, branch)
            await copies.stored()
        return SnapshotRestored(
            snapshot=name,
            taken_at=taken.taken_at,
            taken_of=taken.branch,
            branch=branch.name,
            database=branch.database,
        )

    async def forget(self, names: Sequence[str]) -> SnapshotsForgotten:
        """Drop snapshots. Raises UsageError where there is none of such a name."""
        async with self._alone() as copies:
            found = await _snapshots(copies)
            chosen = tuple(_named(found, name) for name in names)
            for one in chosen:
                await copies.drop(one.database, Ending.ALL)
            await copies.stored()
        return SnapshotsForgotten(project=self.server.project, snapshots=chosen)

    def _alone(self) -> AbstractAsyncContextManager[Copies]:
        return opened(self.server, on_notice=self._on_notice)

    async def _existing(self, copies: Copies, branch: Branch) -> Branch:
        """Return a branch that is there: for one that is made at need the default one until then.

        Raises ConfigurationError, code `not_found`.
        """
        if await copies.find(branch.database) is not None:
            return branch
        if branch.made_at_need:
            return Branch()
        known = [one.origin.name for one in await copies.stored() if _is(one, Kind.BRANCH)]
        raise no_branch(branch.name, known)

    def _described(self, one: Stored) -> ServerBranch:
        origin = one.origin
        return ServerBranch(
            name=origin.name,
            database=one.database,
            in_use=one.database == self.in_use.database,
            made_from=origin.source or None,
            made_at=datetime.fromisoformat(origin.made_at) if origin.made_at else None,
            size_bytes=one.size_bytes,
            sessions=one.sessions,
        )

    def _check_switch(self) -> None:
        """Raise ConfigurationError where a setting chooses the branch."""
        if self.settings.branch or self.settings.branch_per_git_branch:
            by = "DBCTL_BRANCH" if self.settings.branch else "branch_per_git_branch"
            raise ConfigurationError(
                f"{by} chooses the branch: {self.in_use.name} ({self.in_use.origin})",
                hint="Unset it to choose one with `dbctl server switch`.",
            )

    def _switch(self, branch: Branch) -> None:
        switch_to(self.server.cluster_dir, branch)
        self.in_use = branch_in_use(self.settings, self.server.cluster_dir)

    def _changed(
        self,
        action: Literal["created", "switched", "dropped"],
        branch: Branch,
        *,
        made_from: str | None = None,
    ) -> BranchChange:
        return BranchChange(
            action=action,
            branch=branch.name,
            database=branch.database,
            made_from=made_from,
            in_use=self.in_use.name,
        )


def open_server(
    settings: Settings, find_in_project: FindInProject | None, on_notice: Callable[[str], None]
) -> BranchingServer:
    """Return the embedded server, started where it does not run.

    Raises ConfigurationError where commands use another database, and in staging and production.
    """
    server = startable(settings)
    if (other := named(settings, find_in_project)) is not None:
        raise ConfigurationError(
            f"{other.reads.origin} names {other.reads.label}: only the embedded server has "
            "branches and snapshots",
            hint=f"Unset it to use the embedded server of {settings.project}.",
        )
    server.ensure_running(on_notice)
    return BranchingServer(settings, server, on_notice)


def _is(one: Stored, kind: Kind) -> bool:
    return one.origin.kind == kind


async def _snapshots(copies: Copies) -> tuple[Snapshot, ...]:
    found = [
        Snapshot(
            name=one.origin.name,
            database=one.database,
            branch=one.origin.source,
            taken_at=datetime.fromisoformat(one.origin.made_at),
            size_bytes=one.size_bytes,
        )
        for one in await copies.stored()
        if _is(one, Kind.SNAPSHOT)
    ]
    return tuple(reversed(found))


def _named(found: Sequence[Snapshot], name: str) -> Snapshot:
    """Return the snapshot of a name; raises UsageError, code `not_found`, where there is none."""
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in found)
    raise UsageError(
        f"there is no snapshot {name!r}",
        hint=f"There are {known}." if known else "`dbctl server snapshot` takes one.",
        code=ErrorCode.NOT_FOUND,
    )
