"""Compare what Alembic does not, or not as the server words it.

The server words an expression in its own way (`BETWEEN` becomes two comparisons), so that it is
asked to word the models' too: on empty temporary copies of the tables, which are rolled back.
"""

from dbctl.migrate.shadow.comparison import differences
from dbctl.migrate.shadow.parts import Settled

__all__ = ["Settled", "differences"]
