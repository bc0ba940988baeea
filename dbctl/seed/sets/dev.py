"""The rows of the `dev` set: one of each thing that a screen of a task list has to cope with."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.models import Task, TaskPriority, TaskStatus, User
from dbctl.seed import keyed

# Keys made from names are the same in every run: a second one finds the rows.
_NAMESPACE = uuid5(NAMESPACE_URL, "dbctl/seed/dev")
_EMAIL = "test@example.com"
# Around the time of the first run, and then left alone.
_DATES = ("due_at", "completed_at")


async def seed(session: AsyncSession) -> AsyncGenerator[Any]:
    """Yield a user and five tasks to develop with."""
    user = await _owner(session)
    yield user
    for task in tasks(user.id):
        yield keyed(task, "id", keep=_DATES)


async def _owner(session: AsyncSession) -> User:
    """Return the dev user, who may have a new address or have been made under another key."""
    key = uuid5(_NAMESPACE, _EMAIL)
    has_key = col(User.id) == key
    # Whatever the search_path, which is that of the session.
    has_email = func.pg_catalog.lower(User.email).bool_op("operator(pg_catalog.=)")(_EMAIL)
    query = select(User).where(has_key | has_email)
    # Where one user has the key and another the address, the key decides.
    found = (await session.exec(query.order_by(has_key.desc()).limit(1))).first()
    return found or User(id=key, email=_EMAIL, name="Test User")


def tasks(user_id: UUID, now: datetime | None = None) -> list[Task]:
    """Return the tasks of `user_id`, their dates around `now` (default: the clock, in UTC)."""
    now = now or datetime.now(UTC)
    return [
        Task(
            id=uuid5(_NAMESPACE, "overdue"),
            user_id=user_id,
            title="Renew the TLS certificate",
            description="It expired on the staging host; the alert has been red since.",
            status=TaskStatus.IN_PROGRESS,
            priority=TaskPriority.URGENT,
            tags=["ops", "security"],
            due_at=now - timedelta(days=3),
        ),
        Task(
            id=uuid5(_NAMESPACE, "done"),
            user_id=user_id,
            title="Write the release notes",
            status=TaskStatus.DONE,
            priority=TaskPriority.LOW,
            tags=["docs"],
            due_at=now - timedelta(days=1),
            completed_at=now - timedelta(days=2),
        ),
        Task(
            id=uuid5(_NAMESPACE, "no due date"),
            user_id=user_id,
            title="Read about window functions",
            priority=TaskPriority.MEDIUM,
        ),
        Task(
            id=uuid5(_NAMESPACE, "unicode"),
            user_id=user_id,
            title="Réserver le café à Zürich ☕ 会議の準備",
            description="Accents, an emoji and CJK: what a column is too narrow for shows here.",
            priority=TaskPriority.HIGH,
            tags=["déplacement", "会議"],
            due_at=now + timedelta(days=7),
        ),
        Task(
            id=uuid5(_NAMESPACE, "many tags"),
            user_id=user_id,
            title="Triage the backlog",
            priority=TaskPriority.MEDIUM,
            tags=[
                "backend",
                "bug",
                "customer",
                "frontend",
                "good first issue",
                "help wanted",
                "needs info",
                "performance",
                "planning",
                "q4",
                "regression",
                "ux",
            ],
            due_at=now + timedelta(days=1),
        ),
    ]
