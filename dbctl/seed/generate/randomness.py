"""Random numbers that are a function of seed, purpose and row: the same on every machine."""

import sys
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from random import Random

BLOCK = 1024
_MASK = (1 << 64) - 1


def key(*parts: object) -> int:
    """Return 64 bits that depend on `parts` and on nothing else."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(number: int, salt: int) -> int:
    """Return 64 bits that look random (the finaliser of SplitMix64)."""
    number = (number * 0x9E3779B97F4A7C15 + salt) & _MASK
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


class Batch:
    """Rows of one table in the making: their numbers, and the columns that they have by now.

    A batch is a block of BLOCK rows, or the head of one, and draws each column from a generator of
    its own. One of scattered rows (`block` is None) draws row by row, which is slower; columns that
    are `scattered` do so in every batch, so that other tables can compute them.
    """

    __slots__ = ("_block", "_part", "_scattered", "_seed", "made", "numbers")

    def __init__(
        self,
        seed: str,
        numbers: Sequence[int],
        block: int | None = None,
        scattered: frozenset[str] = frozenset(),
    ) -> None:
        self._seed = seed
        self._block = block
        self._scattered = scattered
        self._part = ""
        self.numbers = numbers
        self.made: dict[str, Sequence[object]] = {}

    def sample(self, block: int) -> "Batch":
        """Return a block of no rows of the table, to make values from that every batch shares."""
        return Batch(f"{self._seed}/sample", range(BLOCK), block)

    def random_bytes(self, column: str, width: int) -> bytes | None:
        """Return `width` bytes for each row; None where rows are drawn one by one."""
        if self._block is None or column in self._scattered:
            return None
        drawn = Random(f"{self._seed}/{column}/{self._part}/{self._block}").randbytes(width * BLOCK)  # noqa: S311
        return drawn[: width * len(self.numbers)]

    def part(self, name: str) -> "Batch":
        """Return the same rows with random numbers of their own, for a part of a value."""
        part = Batch(self._seed, self.numbers, self._block, self._scattered)
        part.made, part._part = self.made, f"{self._part}.{name}"
        return part

    def bits16(self, column: str, purpose: str = "") -> Sequence[int]:
        """Return a number below 2**16 for each row."""
        return self._draw(column, purpose, "H", 2)

    def bits32(self, column: str, purpose: str = "") -> Sequence[int]:
        """Return a number below 2**32 for each row."""
        return self._draw(column, purpose, "I", 4)

    def bits64(self, column: str, purpose: str = "") -> Sequence[int]:
        """Return a number below 2**64 for each row."""
        return self._draw(column, purpose, "Q", 8)

    def _draw(self, column: str, purpose: str, code: str, width: int) -> Sequence[int]:
        purpose += self._part
        if self._block is None or column in self._scattered:
            salt, cut = key(self._seed, column, purpose), 64 - 8 * width
            return [mix(number, salt) >> cut for number in self.numbers]
        # The whole block's: the last bits of fewer bytes would be others.
        drawn = array(
            code,
            Random(f"{self._seed}/{column}/{purpose}/{self._block}").randbytes(width * BLOCK),  # noqa: S311
        )
        if sys.byteorder == "big":
            drawn.byteswap()
        return drawn if len(self.numbers) == BLOCK else drawn[: len(self.numbers)]


class Permutation:
    """Put the numbers below `size` into an order that looks random, without keeping it."""

    __slots__ = ("_first", "_mask", "_second", "_shift", "size")

    def __init__(self, size: int, *parts: object) -> None:
        bits = max((size - 1).bit_length(), 1)
        self.size = size
        self._mask = (1 << bits) - 1
        self._shift = (bits + 1) // 2
        self._first = (key("first", *parts) & self._mask) | 1
        self._second = (key("second", *parts) & self._mask) | 1

    def __getitem__(self, number: int) -> int:
        """Return what stands at the place `number`; each step undoes nothing of the others."""
        if number >= self.size:
            raise IndexError(number)
        mask, shift = self._mask, self._shift
        while True:
            number = (number + self._second) * self._first & mask
            number ^= number >> shift
            number = number * self._second & mask
            number ^= number >> shift
            if number < self.size:
                return number
