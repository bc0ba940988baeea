"""The names of the tables beside the application's: Alembic's own and those of dbctl."""

VERSION_TABLE = "alembic_version"
# The schema of dbctl's own tables unless `[tool.dbctl] schema` names another.
OWN_SCHEMA = "dbctl"
# Who applied what, what seeding wrote, and whether it may. No model has them, no drift is made of
# them, and they do not make a database one that is in use.
LEDGER_TABLE = "dbctl_ledger"
SEEDS_TABLE = "dbctl_seeds"
MARKER_TABLE = "dbctl_seed_marker"
OWN_TABLES = frozenset({LEDGER_TABLE, SEEDS_TABLE, MARKER_TABLE})
