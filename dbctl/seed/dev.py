"""The rows of the `dev` set: one of each thing that a screen of a task list has to cope with."""

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from dbctl.models import Task, TaskPriority, TaskStatus, User

# Keys made from names are the same in every run: a second one, even at once, finds the rows.
_NAMESPACE = uuid5(NAMESPACE_URL, "dbctl/seed/dev")


def user() -> User:
    """Return the user who owns the tasks."""
    email = "test@example.com"
    return User(id=uuid5(_NAMESPACE, email), email=email, name="Test User")


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
