"""`inspect size` for people: bars of what is table, index and TOAST."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from dbctl.figures import plural, size
from dbctl.inspect.database.results.size import Share, SizeResult
from dbctl.inspect.grid import section
from dbctl.rendering import safe

# A bar without colours is told apart by its shades.
_PARTS = (("heap_bytes", "█", "key"), ("index_bytes", "▓", "ok"), ("toast_bytes", "░", "warn"))
_NAMES = ("table", "index", "TOAST")
_NAME_WIDTH, _BAR_WIDTH = 40, 60


@dataclass(frozen=True, slots=True)
class _Bar:
    """What has a bar: the bytes of its parts, each with its shade."""

    name: Text
    total: int
    parts: Sequence[tuple[int, str, str]]


def sizes(result: SizeResult) -> RenderableType:
    """Show what takes the room: schemas, tables, indexes and databases, the largest first."""
    return Group(*_sections(result))


def _sections(result: SizeResult) -> Iterator[RenderableType]:
    headline = Text.assemble(safe(result.database, "bold"), f"  {size(result.total_bytes)}")
    headline.append(f" ({size(result.other_bytes)} of it the system's and other)", "muted")
    yield headline
    shades = zip(_PARTS, _NAMES, strict=True)
    yield Text("  ").join(
        Text.assemble((shade, style), f" {name}") for (_, shade, style), name in shades
    )
    yield Text()
    if len(result.schemas) > 1:
        shares = [_share(share, safe(share.name)) for share in result.schemas]
        yield from section("Schemas", _Bars(shares))
        yield Text()
    if result.tables:
        several = len(result.schemas) > 1
        shares = [
            _share(t, safe(f"{t.schema_name}.{t.name}" if several else t.name))
            for t in result.tables
        ]
        yield from section(_title("Tables", len(shares), result.table_count), _Bars(shares))
        yield Text()
    if result.indexes:
        bars = [_Bar(safe(i.name), i.bytes, ((i.bytes, "▓", "ok"),)) for i in result.indexes]
        yield from section(_title("Indexes", len(bars), result.index_count), _Bars(bars))
        yield Text()
    if len(result.databases) > 1:
        bars = [
            _Bar(safe(d.name), d.bytes, ((d.bytes, "█", "key"),))
            for d in result.databases
            if d.bytes is not None
        ]
        yield from section("Databases of the server", _Bars(bars))
        yield Text()
    if unknown := sum(d.bytes is None for d in result.databases):
        yield Text(f"{plural(unknown, 'database')} that this role may not measure", "muted")
    if result.locked:
        yield Text.assemble(
            ("not measured, being locked: ", "warn"), safe(", ".join(result.locked))
        )


def _title(name: str, shown: int, count: int) -> str:
    return name if shown == count else f"{name}, the largest {shown:,} of {count:,}"


def _share(share: Share, name: Text) -> _Bar:
    parts = [(getattr(share, field), shade, style) for field, shade, style in _PARTS]
    return _Bar(name, share.total_bytes, parts)


@dataclass(frozen=True, slots=True)
class _Bars:
    """Bars on a common scale, as wide as the terminal lets them be."""

    bars: Sequence[_Bar]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        texts = [size(bar.total) for bar in self.bars]
        longest = max(cell_len(bar.name.plain) for bar in self.bars)
        numbers = max(len(text) for text in texts)
        names = min(longest, _NAME_WIDTH, max(options.max_width // 2, 10))
        # Two blanks before, between and after.
        room = min(max(options.max_width - names - numbers - 5, 4), _BAR_WIDTH)
        largest = max(max(bar.total for bar in self.bars), 1)
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=names + 1, no_wrap=True, overflow="ellipsis")
        grid.add_column(width=numbers, justify="right", no_wrap=True)
        grid.add_column(width=room, no_wrap=True)
        for bar, text in zip(self.bars, texts, strict=True):
            grid.add_row(Text.assemble(" ", bar.name), text, _drawn(bar, room / largest))
        yield grid


def _drawn(bar: _Bar, scale: float) -> Text:
    """Draw a bar whose parts end where their sums do, so that no rounding adds up."""
    text, total, drawn = Text(), 0, 0
    for count, shade, style in bar.parts:
        total += count
        length = round(total * scale) - drawn
        text.append(shade * length, style)
        drawn += length
    if not drawn and bar.total:
        text.append("▏", "muted")
    return text
