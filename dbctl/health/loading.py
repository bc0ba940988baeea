"""The project's code that checks compare the database with: its revisions and its models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbctl.errors import ConfigurationError, DbctlError

if TYPE_CHECKING:
    from dbctl.health.needs import Needs
    from dbctl.migrate.project_models import ProjectModels
    from dbctl.migrate.scripts import Checkout
    from dbctl.settings import Settings

# The checks that need each.
_REVISIONS = {"migrations", "drift"}
_MODELS = {"drift"}
_NEEDS = {"extensions"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The revisions or why they cannot be loaded, the models for drift, and what models need.

    `unconfigured` is why there are no revisions where the project has none to compare with.
    """

    checkout: Checkout | None = None
    checkout_error: DbctlError | None = None
    unconfigured: DbctlError | None = None
    models: ProjectModels | None = None
    needs: Needs | None = None

    @property
    def revisions(self) -> Checkout:
        """The revisions, which a check that needs them finds loaded."""
        assert self.checkout is not None  # noqa: S101 - `load` was told the names of the checks
        return self.checkout

    @property
    def left_out(self) -> str | None:
        """Why the models are left out, in a line; None where they are not wanted, or are there."""
        if self.needs is None or self.needs.error is None:
            return None
        return f"the project's models are left out: {self.needs.error.message.splitlines()[0]}"


def load(settings: Settings, names: Collection[str]) -> Loaded:
    """Load what the checks `names` need.

    It is the project's code, which may take its time: no deadline holds for it. Outside the event
    loop, where a signal ends code that does not come to its end. Raises ConfigurationError where
    drift is asked for and there are no models to compare with.
    """
    checkout, checkout_error, unconfigured = None, None, None
    models, needs = None, None
    if _REVISIONS.intersection(names):
        from dbctl.migrate.config_files import NoAlembicConfig
        from dbctl.migrate.run.learn import warm_up
        from dbctl.migrate.scripts import open_checkout

        try:
            checkout = open_checkout(settings)
            warm_up(checkout)
        except NoAlembicConfig as error:
            unconfigured = error
        except DbctlError as error:
            checkout_error = error
    if _MODELS.intersection(names):
        from dbctl.migrate.project_models import NoModels, project_models

        if unconfigured is not None:
            raise unconfigured
        try:
            models = project_models(settings)
        except NoModels:
            raise
        except ConfigurationError:
            # An env.py that knows no offline mode; the check asks it online, as `alembic check`.
            if settings.configured_models is not None:
                raise
    if _NEEDS.intersection(names):
        from dbctl.health.needs import load_needs

        needs = load_needs(settings, models)
    return Loaded(checkout, checkout_error, unconfigured, models, needs)
