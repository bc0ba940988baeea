"""What a SQL statement locks and how much work it is, told from its text alone."""

from dbctl.migrate.statements.assessment import Assessment, LockLevel, Loss, Work
from dbctl.migrate.statements.dispatch import assess

__all__ = ["Assessment", "LockLevel", "Loss", "Work", "assess"]
