"""The base of our variants of Alembic's environment."""

from typing import Any

from alembic.runtime.environment import EnvironmentContext


class Environment(EnvironmentContext):
    """Alembic's environment, in subclasses that env.py can reach.

    `alembic.context`, which env.py imports, stands for an instance of the classes it knows of, and
    there is no public way to make it know another.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Make `alembic.context` know the subclass."""
        super().__init_subclass__(**options)
        EnvironmentContext._setups[cls] = EnvironmentContext._setups[EnvironmentContext]
