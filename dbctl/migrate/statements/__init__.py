"""What a SQL statement locks and how much work it is, told from its text alone."""

from dbctl.migrate.statements.assessment import Assessment, Loss
from dbctl.migrate.statements.dispatch import assess
from dbctl.migrate.statements.levels import LockLevel, Work

__all__ = ["Assessment", "LockLevel", "Loss", "Work", "assess"]
