"""The tables of the application, one class each; `dbctl migrate check` compares with them."""

from sqlmodel import SQLModel

# A revision can only drop a constraint whose name is the same in every database.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# A table looks like this; `Field` comes from sqlmodel as well.
#
# class Team(SQLModel, table=True):
#     __tablename__ = "teams"
#
#     id: int | None = Field(default=None, primary_key=True)
#     name: str = Field(unique=True)
