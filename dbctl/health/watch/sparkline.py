"""Numbers over time, as a line of blocks."""

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
GAP = "x"


def sparkline(values: Sequence[float | None]) -> str:
    """Return a block per value, as high as it is of the largest; a gap where there is none."""
    largest = max((value for value in values if value is not None), default=0.0)
    return "".join(GAP if value is None else _block(value, largest) for value in values)


def _block(value: float, largest: float) -> str:
    share = max(value, 0.0) / largest if largest > 0 else 0.0
    return _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]
