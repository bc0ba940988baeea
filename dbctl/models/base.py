"""What every table of the schema shares: names for its constraints, and its timestamps."""

from datetime import datetime

from sqlalchemy import MetaData, func
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


class TimestampMixin(SQLModel):
    """Add `created_at` and `updated_at`, both timestamptz that the server's clock sets.

    `updated_at` follows every UPDATE that SQLAlchemy emits; eager defaults read the new value back
    with the statement, so that it can be shown without another round trip.
    """

    __mapper_args__ = {"eager_defaults": True}

    created_at: datetime | None = Field(
        default=None,
        sa_column_kwargs={"server_default": func.now()},
        nullable=False,
    )
    updated_at: datetime | None = Field(
        default=None,
        sa_column_kwargs={"server_default": func.now(), "onupdate": func.now()},
        nullable=False,
    )
