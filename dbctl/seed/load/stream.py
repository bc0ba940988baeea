"""Every row of the files as a record for the driver, in their order; the others as faults."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbctl.seed.load.checking import Checked, Checker, Record
from dbctl.seed.load.faults import Fault, Faults
from dbctl.seed.load.files import File
from dbctl.seed.load.mapping import Matcher, check_header
from dbctl.seed.load.rows import Batch, Broken

# How far the rest of the files is searched for faults once nothing is loaded any more.
_SEARCHED_ROWS = 200_000
_SEARCHED_FAULTS = 1_000


# The faults of rows by their numbers, of each file.
type Refused = Mapping[File, Mapping[int, Fault]]


class Rejects(Protocol):
    """Takes the rows that are not loaded."""

    def reject(self, row: Any, faults: Sequence[Fault]) -> None:
        """Take a row as it stands in the file, an object or its text."""


class Faulty(Exception):
    """Rows are at fault, so that none is loaded."""


@dataclass(slots=True)
class Places:
    """Which row of which file each record came from."""

    _starts: array[int] = field(default_factory=lambda: array("q"))
    _batches: list[tuple[File, Sequence[int]]] = field(default_factory=list)

    def add(self, start: int, file: File, numbers: Sequence[int]) -> None:
        """Note that the records from `start` on are the rows `numbers` of `file`."""
        self._starts.append(start)
        compact = numbers if isinstance(numbers, range) else array("q", numbers)
        self._batches.append((file, compact))

    def of(self, index: int) -> tuple[File, int]:
        """Return the file of a record and the number of its row."""
        at = bisect_right(self._starts, index) - 1
        file, numbers = self._batches[at]
        return file, numbers[index - self._starts[at]]


class Stream:
    """Read, map and check the rows of `files`.

    With `rejects` the rows at fault go there and the others on; without, the first one at fault
    ends the records, and the next rows are searched for more faults. `refused` are rows that the
    server has not taken, whatever they look like.
    """

    def __init__(
        self,
        files: Sequence[File],
        checker: Checker,
        matcher: Matcher,
        rejects: Rejects | None,
        refused: Refused | None = None,
    ) -> None:
        self.faults = Faults()
        self.places = Places()
        self.rows = [0] * len(files)
        self.records = 0
        self.quoted_nulls = 0
        self._files = files
        self._checker = checker
        self._matcher = matcher
        self._rejects = rejects
        self._refused = refused or {}
        self._sizes = [file.source.size for file in files]

    def share(self) -> float | None:
        """Return how much of the files is read, from 0 to 1; None where a size is not known."""
        sizes = [size for size in self._sizes if size is not None]
        if len(sizes) < len(self._sizes) or not sum(sizes):
            return None
        return sum(file.source.position for file in self._files) / sum(sizes)

    async def batches(self) -> AsyncIterator[Sequence[Record]]:
        """Yield the records.

        Raises Faulty at the end where rows are at fault and do not go elsewhere.
        """
        searched = 0
        for place, file in enumerate(self._files):
            check = self._check_of(file)
            for batch in file.read():
                result = self._without_refused(file, batch, check(file.label, batch))
                read = len(batch.rows) + len(batch.broken)
                self.rows[place] += read
                self.quoted_nulls += batch.quoted_nulls
                self._take(file, batch, result)
                if self.faults.count and self._rejects is None:
                    searched += read
                    if searched > _SEARCHED_ROWS or self.faults.count > _SEARCHED_FAULTS:
                        self.faults.are_all = False
                        raise Faulty
                elif result.records:
                    self.places.add(self.records, file, result.numbers)
                    self.records += len(result.records)
                    yield result.records
        if self.faults.count and self._rejects is None:
            raise Faulty

    def _without_refused(self, file: File, batch: Batch, result: Checked) -> Checked:
        """Put the rows that the server has refused before among those at fault."""
        refused = self._refused.get(file)
        if not refused or refused.keys().isdisjoint(result.numbers):
            return result
        kept = [index for index, number in enumerate(result.numbers) if number not in refused]
        faults = {
            index: [refused[number]]
            for index, number in enumerate(batch.numbers)
            if number in refused
        }
        return Checked(
            [result.records[index] for index in kept],
            [result.numbers[index] for index in kept],
            {**result.faults, **faults},
        )

    def _check_of(self, file: File) -> Callable[[str, Batch], Checked]:
        if file.header is None:
            return self._checker.check_objects
        targets = check_header(self._matcher, file.label, file.header)
        return self._checker.of_lists(file.header, targets)

    def _take(self, file: File, batch: Batch, result: Checked) -> None:
        found: list[tuple[Any, Sequence[Fault]]] = [
            (broken.text, [_fault_of(file, broken)]) for broken in batch.broken
        ]
        for index, faults in result.faults.items():
            row = batch.rows[index]
            if file.header is not None and len(row) == len(file.header):
                row = dict(zip(file.header, row, strict=True))
            found.append((row, faults))
        for row, faults in sorted(found, key=lambda pair: pair[1][0].row):
            self.faults.add(faults)
            if self._rejects is not None:
                self._rejects.reject(row, faults)


def _fault_of(file: File, broken: Broken) -> Fault:
    return Fault(file=file.label, row=broken.row, line=broken.line, reason=broken.reason)
