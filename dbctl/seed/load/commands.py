"""`dbctl seed load`: rows from files."""

from typing import TYPE_CHECKING

from dbctl.errors import ExitCode
from dbctl.output import emit, notice
from dbctl.runtime import Target
from dbctl.seed.load import options
from dbctl.seed.load.request import OnConflict

if TYPE_CHECKING:
    from dbctl.settings import Settings


def load(
    settings: "Settings",
    files: options.Files,
    into: options.Into,
    form: options.From = None,
    on_conflict: options.Conflict = OnConflict.FAIL,
    conflict_key: options.ConflictKey = None,
    renames: options.Maps = None,
    reject: options.Reject = None,
    plan: options.Plan = False,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    null: options.Null = None,
    force_null: options.ForceNull = False,
    key: options.Key = None,
    assume_utc: options.AssumeUtc = False,
    date_format: options.DateFormat = None,
    decimal_comma: options.DecimalComma = False,
) -> ExitCode:
    """Load rows from files into a table: all of them, or none."""
    from dbctl.migrate.project_models import optional_models
    from dbctl.seed.bulk.showing import shown
    from dbctl.seed.guard import refuse_production
    from dbctl.seed.load import operation, views
    from dbctl.seed.load.notation import Notation
    from dbctl.seed.load.request import Request

    request = Request(
        files=tuple(files),
        into=into,
        form=form,
        encoding=encoding,
        delimiter=delimiter,
        null=null,
        force_null=force_null,
        key=key,
        renames=tuple(renames or ()),
        on_conflict=on_conflict,
        conflict_key=conflict_key,
        reject=reject,
        notation=Notation(assume_utc, date_format, decimal_comma),
    )
    run = operation.plan if plan else operation.load
    if not plan:
        refuse_production(settings)
    models = optional_models(settings, notice)
    database = Target(settings, migrations=True)  # what it says stays above the board
    with shown() as report:
        result = database.run(lambda manager: run(manager, settings, models, request, report))
    return emit(result, views.loaded)
