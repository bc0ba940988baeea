"""What every table of the schema shares: names for its constraints, and its timestamps."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Dialect, Interval, MetaData, TypeDecorator, func
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

# Without fixed names, a constraint cannot be dropped by a later revision on every database alike.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: MetaData = SQLModel.metadata
metadata.naming_convention = NAMING_CONVENTION


class AwareDateTime(TypeDecorator[datetime]):
    """A timestamptz that takes no datetime without a time zone, of which asyncpg would guess it.

    What SQLModel makes of a datetime depends on its version: from 0.0.45 on much the same as this,
    before a timestamp without a time zone.
    """

    impl = DateTime
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    def coerce_compared_value(
        self,
        op: OperatorType | None,  # noqa: ARG002
        value: Any,
    ) -> TypeEngine[Any]:
        """Return the type of what a moment is compared with or what is added to it."""
        return Interval() if isinstance(value, timedelta) else self

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return `value` as it is; raises ValueError where it has no time zone."""
        if value is not None and value.utcoffset() is None:
            raise ValueError("a datetime needs a timezone, such as that of datetime.now(UTC)")
        return value


class TimestampMixin(SQLModel):
    """Add `created_at` and `updated_at`, both timestamptz that the server's clock sets.

    `updated_at` follows every UPDATE that SQLAlchemy emits; eager defaults read the new value back
    with the statement, so that it can be shown without another round trip.
    """

    __mapper_args__ = {"eager_defaults": True}

    created_at: datetime | None = Field(
        default=None,
        sa_type=AwareDateTime,
        sa_column_kwargs={"server_default": func.now()},
        nullable=False,
    )
    updated_at: datetime | None = Field(
        default=None,
        sa_type=AwareDateTime,
        sa_column_kwargs={"server_default": func.now(), "onupdate": func.now()},
        nullable=False,
    )
