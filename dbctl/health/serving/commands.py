"""`dbctl health serve`: the health of a database over HTTP, for probes and monitors."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode, UsageError
from dbctl.installation import install_command
from dbctl.output import emit, notice
from dbctl.runtime import Target

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dbctl.health.serving.results import Served
    from dbctl.settings import Settings

HostOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Listen there; 0.0.0.0 is the whole network.")
]
PortOption = Annotated[
    int, typer.Option(metavar="PORT", min=0, max=65535, help="Listen there; 0 is any free one.")
]
AlsoOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECK,…",
        help="Make these checks as well; connection and migrations are always made.",
        show_default=False,
    ),
]
DeadlineOption = Annotated[
    float,
    typer.Option(metavar="S", min=0.5, max=60, help="Answer within S seconds, whatever happens."),
]
CacheOption = Annotated[
    float,
    typer.Option(metavar="S", min=0, max=60, help="What a look found holds for S seconds."),
]
DetailOption = Annotated[
    bool,
    typer.Option("--detail", help="Tell everything to who bears the token of DBCTL_HEALTH_TOKEN."),
]


def serve(
    settings: "Settings",
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    also: AlsoOption = None,
    deadline: DeadlineOption = 2.0,
    cache: CacheOption = 1.0,
    detail: DetailOption = False,
) -> ExitCode:
    """Answer HTTP probes until Ctrl-C: /api/v1/health, …/live, …/ready and /metrics.

    200 where the database is fit to serve, 503 where it is not, without a name or a figure.

    What was begun is answered before it exits, with 130 after Ctrl-C and 143 after SIGTERM.
    """
    from dbctl.health.report import prepare
    from dbctl.health.serving.answers import NEEDED
    from dbctl.health.serving.tokens import VARIABLE, checked

    token = checked(os.environ.get(VARIABLE, "")) if detail else None
    try:
        from dbctl.health.serving.server import (
            Terms,
            is_open,
            listen,
            serve_health,
            url_of,
        )
    except ImportError as error:
        raise UsageError(
            f"serving needs {error.name}, which is not installed",
            hint=f"Install the extra: {install_command('api')}.",
        ) from None
    terms = Terms(deadline=deadline, cache=cache, token=token)
    request = prepare(settings, only=NEEDED, also=also or ())
    if left_out := request.loaded.left_out:
        notice(left_out)
    with listen(host, port) as listener:
        target = Target(settings)
        reach = ", to the whole network" if is_open(listener) else ""
        notice(f"serving health on {url_of(listener)}/api/v1/health{reach}; Ctrl-C ends it")
        served = target.run(
            lambda manager: serve_health(manager, request, listener, terms, tell=notice)
        )
    return emit(served, _view)


def _view(served: "Served") -> "RenderableType":
    from dbctl.health.serving import views

    return views.served(served)
