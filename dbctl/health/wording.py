"""The evidence of a check in words, alike in the table and in JUnit's XML."""

from collections.abc import Mapping

from dbctl.health.results import CheckResult, Value


def evidence_lines(check: CheckResult, most: int) -> list[str]:
    """Return a line for each piece of evidence, `most` of them, and how many more there are."""
    shown = [_line(piece) for piece in check.evidence[:most]]
    more = check.evidence_total - len(shown)
    return [*shown, f"… and {more} more"] if more > 0 else shown


def _line(piece: Mapping[str, Value]) -> str:
    """Return what is known of a piece; the remedy of the check stands below it."""
    parts = (
        f"{name.replace('_', ' ')}{_value(value)}"
        for name, value in piece.items()
        if value is not None and value is not False and value not in ("", ()) and name != "remedy"
    )
    return " · ".join(parts)


def _value(value: Value) -> str:
    match value:
        case True:
            return ""
        case float():
            return f" {value:.6g}"
        case tuple():
            return f" {', '.join(value)}"
        case _:
            return f" {value}"
