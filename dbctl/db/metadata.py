"""The project's own code: its models, imported from its root, and what they define."""

import sys
from importlib import import_module

from sqlalchemy import MetaData

from dbctl.errors import ConfigurationError, ErrorCode
from dbctl.redaction import scrub
from dbctl.settings import Settings

# Models, a revision, an env.py and a seed set are the project's code: they can raise anything.
PROJECT_CODE_ERRORS = (Exception, SystemExit)


def make_importable(settings: Settings) -> None:
    """Let the modules of the project be imported by the names that they have from its root."""
    root = str(settings.project)
    if root not in sys.path:
        sys.path.insert(0, root)


def load_metadata(settings: Settings) -> MetaData:
    """Import the models module and return the metadata that it filled.

    That is the module's own `metadata` where it has one, else SQLModel's. Raises
    ConfigurationError, code `models_import`, where the import fails or fills nothing.
    """
    make_importable(settings)
    try:
        module = import_module(settings.models)
    except PROJECT_CODE_ERRORS as error:
        raise ConfigurationError(
            f"importing DBCTL_MODELS={settings.models} failed: {located(error)}",
            hint="It is imported from the project's root; name the module as Python would.",
            code=ErrorCode.MODELS_IMPORT,
        ) from error
    from sqlmodel import SQLModel

    own = getattr(module, "metadata", None)
    metadata = own if isinstance(own, MetaData) else SQLModel.metadata
    if not metadata.tables:
        raise ConfigurationError(
            f"importing DBCTL_MODELS={settings.models} defined no table",
            hint="Name the module that imports every model.",
            code=ErrorCode.MODELS_IMPORT,
        )
    return metadata


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
