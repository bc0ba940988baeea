"""Ask a person before a read that would cost too much, where there is one."""

from collections.abc import Callable

from dbctl.errors import ExitCode, RefusedError
from dbctl.inspect.data.cost import CostRefused, Guard, max_cost
from dbctl.options import confirm
from dbctl.settings import Settings


def guarded(settings: Settings, run: Callable[[Guard], ExitCode], *, yes: bool) -> ExitCode:
    """Return what `run` returns; where its guard refuses, ask, and run it once more without.

    Raises CostRefused where nobody can be asked, and typer.Abort when the answer is no.
    """
    guard = Guard(max_cost(settings), agreed=yes)
    try:
        return run(guard)
    except CostRefused as refused:
        try:
            confirm(f"{refused.message}. Read it nevertheless?", hint=refused.hint or "")
        except RefusedError:
            raise refused from None
    return run(Guard(guard.bound, agreed=True))
