"""Values that are different in every row: functions of the row's number, one to one."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Protocol, runtime_checkable

from asyncpg.pgproto.pgproto import UUID

from dbctl.seed.generate.randomness import Batch, Permutation, key, mix

_MASK32 = (1 << 32) - 1
_MASK64 = (1 << 64) - 1
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@runtime_checkable
class Distinct(Protocol):
    """A rule whose values differ; `capacity` counts them, None where they do not end."""

    needs: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What the values are, in a few words."""
        ...

    @property
    def capacity(self) -> int | None:
        """How many different values there are."""
        ...

    def at(self, numbers: Sequence[int]) -> list[object]:
        """Return the value of each of the rows."""
        ...

    def draw(self, batch: Batch, column: str) -> Sequence[object]:
        """Return a value for each row of the batch."""
        ...


class Numbered:
    """What a one-to-one function makes of the row's number."""

    needs: tuple[str, ...] = ()

    def __init__(
        self, summary: str, function: Callable[[int], object], capacity: int | None = None
    ) -> None:
        self.summary = summary
        self.capacity = capacity
        self._function = function

    def at(self, numbers: Sequence[int]) -> list[object]:
        """Return the value of each of the rows."""
        return list(map(self._function, numbers))

    def draw(self, batch: Batch, column: str) -> list[object]:  # noqa: ARG002
        """Return a value for each row of the batch."""
        return self.at(batch.numbers)


class Uuids:
    """Version 4 UUIDs: the last 32 bits are a permutation of the number, the others are random."""

    needs: tuple[str, ...] = ()
    summary = "random UUIDs"
    capacity: int | None = 1 << 32

    def __init__(self, *parts: object) -> None:
        self._factor = key("factor", *parts) & _MASK32 | 1
        self._offset = key("offset", *parts) & _MASK32
        self._salt = key("salt", *parts)

    def at(self, numbers: Sequence[int]) -> list[object]:
        """Return the UUID of each of the rows."""
        salt, halves = self._salt, array("Q")
        for number in numbers:
            mixed = mix(number, salt)
            halves.append(mixed)
            halves.append(mixed * 0xBF58476D1CE4E5B9 & _MASK64)
        if sys.byteorder == "little":
            halves.byteswap()
        return self._finished(numbers, bytearray(halves.tobytes()))

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return a UUID for each row of the batch."""
        drawn = batch.random_bytes(column, 16)
        if drawn is None:
            return self.at(batch.numbers)
        return self._finished(batch.numbers, bytearray(drawn))

    def _finished(self, numbers: Sequence[int], data: bytearray) -> list[object]:
        """Put the version, the variant and the numbers into random bytes."""
        data[6::16] = data[6::16].translate(_VERSION)
        data[8::16] = data[8::16].translate(_VARIANT)
        factor, offset = self._factor, self._offset
        last = array("I", [(number * factor + offset) & _MASK32 for number in numbers])
        if sys.byteorder == "little":
            last.byteswap()
        tail = last.tobytes()
        for place in range(4):
            data[12 + place :: 16] = tail[place::4]
        whole = bytes(data)
        return [UUID(whole[at : at + 16]) for at in range(0, len(whole), 16)]


_GREAT = 999_999_999


class NumberedText:
    """Words that a number makes different: `make` gets a word of each pool, and the number."""

    needs: tuple[str, ...] = ()

    def __init__(
        self,
        summary: str,
        pools: Sequence[Sequence[str]],
        make: Callable[..., str],
        *,
        parts: Sequence[object] = (),
    ) -> None:
        self.summary = summary
        self._pools = pools
        self._make = make
        self._salts = [key(place, *parts) | 1 for place in range(len(pools))]
        self.capacity: int | None = None

    def at(self, numbers: Sequence[int]) -> list[object]:
        """Return the text of each of the rows."""
        make = self._make
        words = [
            [pool[(number * salt & _MASK64) % size] for number in numbers]
            for pool, salt, size in zip(
                self._pools, self._salts, map(len, self._pools), strict=True
            )
        ]
        return list(map(make, *words, numbers))

    def forms(self) -> Iterator[str]:
        """Yield a text with each word, with a small number and a great one."""
        first = [pool[0] for pool in self._pools]
        for place, pool in enumerate(self._pools):
            for word in pool:
                words = [*first[:place], word, *first[place + 1 :]]
                yield self._make(*words, 0)
                yield self._make(*words, _GREAT)

    def draw(self, batch: Batch, column: str) -> list[object]:  # noqa: ARG002
        """Return a text for each row of the batch."""
        return self.at(batch.numbers)


class Digits:
    """Texts of a fixed form: a permutation of the number, written in one alphabet per place."""

    needs: tuple[str, ...] = ()

    def __init__(self, summary: str, alphabets: Sequence[str], *parts: object) -> None:
        self.summary = summary
        self.capacity: int | None = prod(map(len, alphabets))
        self._alphabets = alphabets
        self._order = Permutation(self.capacity, *parts)

    def at(self, numbers: Sequence[int]) -> list[object]:
        """Return the text of each of the rows."""
        return [self._written(self._order[number]) for number in numbers]

    def _written(self, number: int) -> str:
        text = []
        for alphabet in self._alphabets:
            number, digit = divmod(number, len(alphabet))
            text.append(alphabet[digit])
        return "".join(text)

    def draw(self, batch: Batch, column: str) -> list[object]:  # noqa: ARG002
        """Return a text for each row of the batch."""
        return self.at(batch.numbers)


class Each:
    """The values of a list, each once, in an order that looks random."""

    needs: tuple[str, ...] = ()

    def __init__(self, summary: str, values: Sequence[object], *parts: object) -> None:
        self.summary = summary
        self.capacity: int | None = len(values)
        self._values = values
        self._order = Permutation(max(len(values), 1), *parts)

    def at(self, numbers: Sequence[int]) -> list[object]:
        """Return the value of each of the rows."""
        return [self._values[self._order[number]] for number in numbers]

    def draw(self, batch: Batch, column: str) -> list[object]:  # noqa: ARG002
        """Return a value for each row of the batch."""
        return self.at(batch.numbers)


def short_text(length: int, *parts: object) -> Digits:
    """Return lower-case texts of `length` characters at most, as long as is of use."""
    return Digits(f"codes of {min(length, 12)} characters", [_DIGITS] * min(length, 12), *parts)
