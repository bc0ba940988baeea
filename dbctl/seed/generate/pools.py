"""Pools of life-like values, made once per run by mimesis from a seed and a locale."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from dbctl.errors import ConfigurationError, UsageError
from dbctl.seed.generate.randomness import key

_SIZE = 1500
_ACTIONS = (
    "Add",
    "Check",
    "Clean up",
    "Compare",
    "Document",
    "Fix",
    "Improve",
    "Measure",
    "Migrate",
    "Plan",
    "Prepare",
    "Remove",
    "Replace",
    "Review",
    "Test",
    "Update",
)


# Words of mimesis's lists that nobody wants to show to a customer.
_UNSEEMLY = frozenset(
    [
        "breast",
        "breasts",
        "casino",
        "casinos",
        "dildos",
        "fetish",
        "interracial",
        "kill",
        "killed",
        "killer",
        "killing",
        "lingerie",
        "murder",
        "naked",
        "pantyhose",
        "phentermine",
        "strip",
        "suicide",
        "terror",
        "terrorism",
        "terrorist",
        "thongs",
        "tramadol",
    ]
)


class Pools:
    """The values of mimesis's providers by name, such as `person.email`; each is made once."""

    def __init__(self, seed: str, locale: str) -> None:
        self.seed = seed
        self.locale = locale
        self._made: dict[str, tuple[Any, ...]] = {}

    @cached_property
    def _language(self) -> Any:
        from mimesis.locales import Locale

        try:
            return Locale(self.locale)
        except ValueError:
            raise UsageError(
                f"there is no locale {self.locale!r}",
                hint=f"There are {', '.join(locale.value for locale in Locale)}.",
            ) from None

    def check(self) -> None:
        """Raise UsageError where there is no such locale."""
        _ = self._language

    def of(self, name: str, size: int = _SIZE) -> tuple[Any, ...]:
        """Return different values of the provider's method `name`, `size` of them at most.

        Raises ConfigurationError where mimesis has no such method.
        """
        if name not in self._made:
            method = self._method(name)
            self._made[name] = tuple(dict.fromkeys(method() for _ in range(size)))
        return self._made[name]

    def words(self) -> tuple[str, ...]:
        """Return single words in lower case."""
        if "words" not in self._made:
            found = tuple(word for word in self.of("text.word") if word not in _UNSEEMLY)
            self._made["words"] = tuple(filter(str.isalpha, found)) or found
        return self._made["words"]

    def phrases(self) -> tuple[str, ...]:
        """Return what a title may be: a few words."""
        if "phrases" not in self._made:
            from random import Random

            chooser = Random(f"{self.seed}/phrases")  # noqa: S311
            words = self.words()
            first = words if self._is_foreign else tuple(f"{action} the" for action in _ACTIONS)
            self._made["phrases"] = tuple(
                dict.fromkeys(
                    f"{chooser.choice(first)} {chooser.choice(words)} {chooser.choice(words)}"
                    for _ in range(_SIZE)
                )
            )
        return self._made["phrases"]

    def texts(self) -> tuple[str, ...]:
        """Return texts of one sentence to several."""
        if "texts" not in self._made:
            from random import Random

            chooser = Random(f"{self.seed}/texts")  # noqa: S311
            sentences = self.of("text.sentence")
            self._made["texts"] = tuple(
                dict.fromkeys(
                    " ".join(chooser.choices(sentences, k=chooser.choice((1, 1, 1, 2, 2, 3, 5))))
                    for _ in range(_SIZE)
                )
            )
        return self._made["texts"]

    @property
    def _is_foreign(self) -> bool:
        return not self.locale.startswith("en")

    def _method(self, name: str) -> Callable[[], Any]:
        """Find the method; its generator depends on its name, not on which ones came before."""
        provider, _, method = name.partition(".")
        seed = key(self.seed, name)
        found: Any = None
        if provider.isidentifier() and method.isidentifier() and not method.startswith("_"):
            import mimesis

            kind = next(
                (
                    value
                    for label, value in vars(mimesis).items()
                    if label.lower() == provider and isinstance(value, type)
                ),
                None,
            )
            if kind is not None:
                takes_locale = issubclass(kind, mimesis.BaseDataProvider)
                instance: Any = kind(self._language, seed=seed) if takes_locale else kind(seed=seed)
                found = getattr(instance, method, None)
        if not callable(found):
            raise ConfigurationError(
                f"mimesis has no provider {name!r}",
                hint="Write provider.method, as in person.email or address.city.",
            )
        return found  # type: ignore[no-any-return]


def ascii_name(text: str) -> str:
    """Return the letters and digits of `text` that an address may hold, in lower case."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalnum, plain)).lower()
