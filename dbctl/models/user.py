"""The people who own tasks."""

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import Index, Text, func, text
from sqlmodel import Field, Relationship

from dbctl.models.base import TimestampMixin

if TYPE_CHECKING:
    from dbctl.models.task import Task


class User(TimestampMixin, table=True):
    """A person, found by an email address whose case does not matter."""

    __tablename__ = "users"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})

    tasks: list["Task"] = Relationship(
        back_populates="user", cascade_delete=True, passive_deletes=True
    )


Index("uq_users_email_lower", func.lower(User.email), unique=True)
