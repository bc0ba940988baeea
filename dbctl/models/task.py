"""What people have to do."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, Enum, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, Relationship

from dbctl.models.base import AwareDateTime, TimestampMixin
from dbctl.models.user import User


class TaskStatus(StrEnum):
    """How far a task is."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    DONE = "done"


class TaskPriority(StrEnum):
    """How much a task matters, in rising order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


def _enum(of: type[StrEnum], name: str) -> Any:
    """Return a PostgreSQL enum type that stores the values of `of`, not its members' names."""
    return Enum(of, name=name, values_callable=lambda members: [m.value for m in members])


class Task(TimestampMixin, table=True):
    """Something that a user has to do; it goes when its user goes."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title_length"),
        CheckConstraint(
            "(status = 'done') = (completed_at IS NOT NULL)", name="completed_at_when_done"
        ),
        Index("ix_tasks_tags", "tags", postgresql_using="gin"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    title: str = Field(min_length=1, max_length=200, sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    status: TaskStatus = Field(
        default=TaskStatus.TODO,
        sa_type=_enum(TaskStatus, "task_status"),
        sa_column_kwargs={"server_default": TaskStatus.TODO.value},
        index=True,
    )
    priority: TaskPriority = Field(
        default=TaskPriority.MEDIUM,
        sa_type=_enum(TaskPriority, "task_priority"),
        sa_column_kwargs={"server_default": TaskPriority.MEDIUM.value},
        index=True,
    )
    tags: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{}'")},
    )
    due_at: datetime | None = Field(default=None, sa_type=AwareDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=AwareDateTime)

    user: User = Relationship(back_populates="tasks")
