"""The SQLModel schema that ships with dbctl; importing it fills the metadata."""

from dbctl.models.base import TimestampMixin, metadata
from dbctl.models.task import Task, TaskPriority, TaskStatus
from dbctl.models.user import User

__all__ = ["Task", "TaskPriority", "TaskStatus", "TimestampMixin", "User", "metadata"]
