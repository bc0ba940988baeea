"""The rules of dbctl's own: what squawk has no rule for and the assessment of a statement shows."""

from dbctl.migrate.lint_rules.facts import facts_of
from dbctl.migrate.lint_rules.rules import NAMES, Breach, breaches

__all__ = ["NAMES", "Breach", "breaches", "facts_of"]
