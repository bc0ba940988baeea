"""The project's own code: what it takes to import it, and to say where it failed."""

import sys

from dbctl.redaction import scrub
from dbctl.settings import Settings

# Models, a revision, an env.py and a seed set are the project's code: they can raise anything.
PROJECT_CODE_ERRORS = (Exception, SystemExit)


def make_importable(settings: Settings) -> None:
    """Let the modules of the project be imported by the names that they have from its root."""
    root = str(settings.project)
    if root not in sys.path:
        sys.path.insert(0, root)


def located(error: BaseException) -> str:
    """Describe an exception of the project's code with the file and line it was raised at."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    files = [frame for frame in frames if not frame.filename.startswith("<")]
    where = f" ({files[-1].filename}:{files[-1].lineno})" if files else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({error.filename}:{error.lineno})"
    # The project's code has the connection string too, and may have put it into the message.
    return f"{type(error).__name__}: {scrub(str(error))}{where}"
