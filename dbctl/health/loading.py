"""The project's code that checks compare the database with: its revisions and its models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbctl.errors import DbctlError

if TYPE_CHECKING:
    from dbctl.health.needs import Needs
    from dbctl.migrate.scripts import Checkout
    from dbctl.settings import Settings

# The checks that need each.
_REVISIONS = {"migrations", "drift"}
_MODELS = {"drift"}
_NEEDS = {"extensions"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The revisions, why they or the models cannot be loaded, and what the models need."""

    checkout: Checkout | None = None
    checkout_error: DbctlError | None = None
    models_error: DbctlError | None = None
    needs: Needs | None = None

    @property
    def revisions(self) -> Checkout:
        """The revisions, which a check that needs them finds loaded."""
        assert self.checkout is not None  # noqa: S101 - `load` was told the names of the checks
        return self.checkout


def load(settings: Settings, names: Collection[str]) -> Loaded:
    """Load what the checks `names` need.

    It is the project's code, which may take its time: no deadline holds for it. Outside the event
    loop, where a signal ends code that does not come to its end.
    """
    checkout, checkout_error, models_error, needs = None, None, None, None
    if _REVISIONS.intersection(names):
        from dbctl.migrate.scripts import open_checkout

        try:
            checkout = open_checkout(settings)
        except DbctlError as error:
            checkout_error = error
    if _MODELS.intersection(names):
        from dbctl.db.metadata import load_metadata

        try:
            load_metadata(settings)
        except DbctlError as error:
            models_error = error
    if _NEEDS.intersection(names):
        from dbctl.health.needs import load_needs

        needs = load_needs(settings)
    return Loaded(checkout, checkout_error, models_error, needs)
