"""Pictures, by Graphviz where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Literal

from dbctl.errors import OperationFailed

# More than a schema of thousands of tables takes.
_SECONDS = 120
_SECRETS = ("DATABASE_URL", "DATABASE_URL_UNPOOLED", "POSTGRES_URL_NON_POOLING", "PGPASSWORD")


def picture(dot: str, form: Literal["svg", "png"]) -> bytes:
    """Return the picture of a text in Graphviz' language.

    Raises OperationFailed where Graphviz is not installed, fails, or takes too long.
    """
    program = shutil.which("dot")
    if program is None:
        raise OperationFailed(
            f"{form} needs Graphviz, and there is no `dot` on the PATH",
            hint="Install it (apt-get install graphviz, brew install graphviz), or take "
            "--format mermaid, which GitHub, GitLab and editors draw by themselves.",
        )
    environment = {name: text for name, text in os.environ.items() if name not in _SECRETS}
    try:
        done = subprocess.run(
            [program, f"-T{form}"],
            input=dot.encode(),
            capture_output=True,
            env=environment,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OperationFailed(
            f"Graphviz did not draw it in {_SECONDS} seconds",
            hint="Draw fewer tables: name them, or use --schema.",
        ) from error
    except OSError as error:
        raise OperationFailed(
            f"{program} cannot be run: {error.strerror}", hint="Install Graphviz again."
        ) from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise OperationFailed(
            f"Graphviz failed with status {done.returncode}: {said}",
            hint=f"`dbctl inspect diagram --format dot | dot -T{form}` shows all that it says.",
        )
    return done.stdout
