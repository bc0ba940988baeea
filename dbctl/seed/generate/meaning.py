"""What a column is about, guessed from its name and its table's: an email, a price, a birthday."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbctl.seed.generate.pools import Pools, ascii_name

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = re.compile(r"[a-z0-9]+")
_PEOPLE = frozenset((
    "user", "users", "person", "people", "customer", "customers", "author", "authors",
    "member", "members", "employee", "employees", "contact", "contacts", "account",
    "accounts", "student", "students", "patient", "patients", "owner", "owners", "lead",
    "leads", "staff", "client", "clients", "subscriber", "subscribers", "profile",
    "profiles", "guest", "guests", "passenger", "passengers", "participant", "participants",
    "attendee", "attendees", "recipient", "sender", "buyer", "seller", "driver", "drivers",
    "doctor", "doctors", "teacher", "teachers", "speaker", "speakers", "billing",
    "shipping", "manager", "managers",
))  # fmt: skip
_FIRMS = frozenset((
    "company", "companies", "organization", "organizations", "organisation",
    "organisations", "org", "orgs", "tenant", "tenants", "vendor", "vendors", "supplier",
    "suppliers", "brand", "brands", "employer", "employers",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextMeaning:
    """Texts of one meaning: values to choose from, and how one becomes different in every row.

    `unique` gets a word of each of `words` and the row's number.
    """

    summary: str
    values: Callable[[], Sequence[str]]
    words: Callable[[], Sequence[Sequence[str]]]
    unique: Callable[..., str]


@dataclass(frozen=True, slots=True)
class NumberMeaning:
    """Numbers of one meaning, from `low` to `high`; most are small where they are skewed."""

    summary: str
    low: float
    high: float
    skewed: bool = False


def words_of(name: str) -> list[str]:
    """Split the name of a column or table: `fullName` and `full_name` are the same."""
    return _WORDS.findall(_CAMEL.sub("_", name).lower())


def number_meaning(name: str) -> NumberMeaning | None:
    """Return what a numeric column of that name holds; None where the name tells nothing."""
    words = words_of(name)
    for names, meaning in _NUMBERS:
        if names & set(words):
            return meaning
    return None


_NUMBERS: tuple[tuple[frozenset[str], NumberMeaning], ...] = tuple(
    (frozenset(names.split()), NumberMeaning(summary, low, high, skewed))
    for names, summary, low, high, skewed in (
        ("latitude lat", "a latitude", -60, 70, False),
        ("longitude lng lon long", "a longitude", -180, 180, False),
        ("cents", "an amount in cents", 99, 99_999, True),
        ("price amount total subtotal cost fee balance salary revenue budget paid tax",
         "an amount", 1, 1000, True),
        ("quantity qty", "a quantity", 1, 20, True),
        ("percent percentage pct discount", "a percentage", 0, 100, False),
        ("rating stars score", "a rating", 1, 5, False),
        ("age", "an age", 18, 90, False),
        ("year", "a year", 1990, 2025, False),
        ("month", "a month", 1, 12, False),
        ("day", "a day", 1, 28, False),
        ("hour", "an hour", 0, 23, False),
        ("floor storey", "a floor", 0, 20, True),
        ("port", "a port", 1024, 65535, False),
        ("position rank sort order priority level version attempt attempts",
         "a small number", 1, 10, True),
        ("count views likes clicks hits stock downloads visits", "a count", 0, 10_000, True),
        ("bytes size", "a size in bytes", 100, 10_000_000, True),
        ("ms duration seconds minutes elapsed", "a duration", 1, 30_000, True),
        ("weight height width depth length", "a measure", 1, 200, False),
    )
)  # fmt: skip


def text_meaning(name: str, table: str, pools: Pools) -> TextMeaning | None:
    """Return what a text column of that name holds; None where the name tells nothing."""
    words = words_of(name)
    if not words:
        return None
    found = _meaning_of(words, set(words_of(table)))
    return _MEANINGS[found](pools) if found is not None else None


def _meaning_of(words: list[str], table: set[str]) -> str | None:
    joined, known, last = "_".join(words), set(words), words[-1]
    for pattern, meaning in _NAMES:
        if pattern.search(joined):
            return meaning
    if last == "name" or joined == "label":
        owner = set(words[:-1]) or table
        if owner & _PEOPLE or known & {"full", "display", "real"}:
            return "full_name"
        return "company" if owner & _FIRMS else "name"
    return None


_NAMES = tuple(
    (re.compile(rf"(?:^|_)(?:{names})$"), meaning)
    for names, meaning in (
        ("e?mail|email_address|mail_address", "email"),
        ("first_name|given_name|forename|firstname", "first_name"),
        ("last_name|family_name|surname|lastname", "last_name"),
        (
            "full_name|fullname|author|contact|assignee|reviewer|employee|guest|customer|manager"
            "|owner|driver|sender|recipient|participant|attendee|buyer|seller",
            "full_name",
        ),
        ("username|user_name|login|handle|nickname|nick|screen_name", "username"),
        ("password|passwd|password_hash|pwd|pass_hash|hashed_password|password_digest", "password"),
        ("token|secret|api_key|hash|digest|checksum|sha256|md5|fingerprint|etag", "hex"),
        ("phone|telephone|mobile|fax|phone_number|tel", "phone"),
        ("city|town", "city"),
        ("country|country_name|nation", "country"),
        ("country_code|country_iso|iso2?", "country_code"),
        ("state|province|region|county", "state"),
        ("zip|zip_code|zipcode|postal_code|postcode|post_code", "postcode"),
        ("house_number|building_number|street_number", "house_number"),
        ("street|address|address_line\\d?|address1|street_address|line1", "address"),
        ("address2|line2", "address2"),
        ("url|uri|link|website|homepage|webpage|href", "url"),
        ("avatar|image|photo|picture|thumbnail|image_url|avatar_url|photo_url|logo", "image"),
        ("domain|hostname|host|fqdn", "domain"),
        ("slug|permalink|subdomain|codename", "slug"),
        ("ip|ip_address|ipv4|remote_addr|client_ip", "ip"),
        ("user_agent|useragent|browser", "user_agent"),
        ("company|organi[sz]ation|employer|company_name|vendor|supplier|manufacturer", "company"),
        ("job|job_title|occupation|profession|position|role_title", "occupation"),
        ("title|subject|headline|heading|summary|caption", "title"),
        (
            "description|body|content|text|bio|about|comment|comments|note|notes|message|details?"
            "|excerpt|abstract|remark|remarks|reason|review|feedback",
            "text",
        ),
        ("colou?r", "color"),
        ("currency|currency_code", "currency"),
        ("locale|lang|language|language_code", "locale"),
        ("timezone|time_zone|tz", "timezone"),
        ("tags?|labels?|keywords?|categor(?:y|ies)|topics?|skills?|interests?", "tag"),
        ("mime|mime_type|content_type|media_type", "mime"),
        ("file|filename|file_name|attachment", "file"),
        ("path|filepath|file_path", "path"),
        ("last4|last_four|last_4", "digits"),
        (
            "sku|code|reference|ref|serial|serial_number|barcode|number|no|external_id|key|iban|bic"
            "|swift|vat|vat_id|tax_id|ean|isbn|gtin|upc|plate",
            "code",
        ),
        ("version|firmware|release", "version"),
        ("gender|sex", "gender"),
        ("status", "status"),
        ("type|kind", "type"),
        ("role", "role"),
        ("level|severity", "level"),
        ("priority|urgency", "priority"),
        ("plan|tier", "tier"),
        ("env|environment", "environment"),
    )
)


def _from(
    summary: str, provider: str, unique: Callable[..., str]
) -> Callable[[Pools], TextMeaning]:
    """Return a meaning whose values mimesis has; the first word of a unique one is one of them."""

    def make(pools: Pools) -> TextMeaning:
        return TextMeaning(
            summary,
            lambda: pools.of(provider),
            lambda: [pools.of(provider)],
            unique,
        )

    return make


def _with_number(word: str, number: int) -> str:
    return f"{word} {number + 1}"


def _names(pools: Pools) -> tuple[Sequence[str], Sequence[str]]:
    firsts = [ascii_name(name) or "user" for name in pools.of("person.first_name")]
    lasts = [ascii_name(name) or "name" for name in pools.of("person.last_name")]
    return firsts, lasts


def _pairs(firsts: Sequence[str], lasts: Sequence[str], form: str) -> Sequence[str]:
    """Return as many values as there are first words, each with another of the last ones."""
    return [form.format(first, lasts[n * 7 % len(lasts)]) for n, first in enumerate(firsts)]


def _email(pools: Pools) -> TextMeaning:
    return TextMeaning(
        "an email address (reserved domains)",
        lambda: _pairs(*_names(pools), "{}.{}@example.com"),
        lambda: _names(pools),
        lambda first, last, number: (
            f"{first}.{last}{number + 1}@example.{'com' if number % 3 else 'org'}"
        ),
    )


def _full_name(pools: Pools) -> TextMeaning:
    def people() -> tuple[Sequence[str], Sequence[str]]:
        return pools.of("person.first_name"), pools.of("person.last_name")

    return TextMeaning(
        "a person's name",
        lambda: _pairs(*people(), "{} {}"),
        people,
        lambda first, last, number: f"{first} {last} {number + 1}",
    )


def _username(pools: Pools) -> TextMeaning:
    return TextMeaning(
        "a user name",
        lambda: _pairs(*_names(pools), "{}_{}"),
        lambda: _names(pools)[:1],
        lambda word, number: f"{word}{number + 1}",
    )


def _slug(pools: Pools) -> TextMeaning:
    def words() -> Sequence[str]:
        return [ascii_name(word) or "page" for word in pools.words()]

    return TextMeaning(
        "a slug",
        lambda: _pairs(words(), words(), "{}-{}"),
        lambda: [words(), words()],
        lambda first, last, number: f"{first}-{last}-{number + 1}",
    )


def _site(summary: str, form: str) -> Callable[[Pools], TextMeaning]:
    def make(pools: Pools) -> TextMeaning:
        def words() -> Sequence[str]:
            return [ascii_name(word) or "page" for word in pools.words()]

        return TextMeaning(
            summary,
            lambda: [form.format(word) for word in words()],
            lambda: [words()],
            lambda word, number: form.format(f"{word}{number + 1}"),
        )

    return make


def _code(pools: Pools) -> TextMeaning:  # noqa: ARG001
    letters = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    return TextMeaning(
        "a code",
        lambda: [f"{letters[n % 26]}{n * 7919 % 100_000:05}" for n in range(2000)],
        lambda: [letters],
        lambda letter, number: f"{letter}{number + 1:06}",
    )


def _plain(
    summary: str, values: Callable[[Pools], Sequence[str]]
) -> Callable[[Pools], TextMeaning]:
    def make(pools: Pools) -> TextMeaning:
        return TextMeaning(summary, lambda: values(pools), lambda: [values(pools)], _with_number)

    return make


def _hexes(width: int, prefix: str = "") -> Callable[[Pools], Sequence[str]]:
    def values(pools: Pools) -> Sequence[str]:
        from hashlib import sha256

        return [
            prefix + sha256(f"{pools.seed}/{number}".encode()).hexdigest()[:width]
            for number in range(500)
        ]

    return values


def _hex(pools: Pools) -> TextMeaning:
    values = _hexes(40)
    return TextMeaning(
        "hexadecimal digits",
        lambda: values(pools),
        lambda: [values(pools)],
        lambda word, number: f"{word[:28]}{number + 1:012x}",
    )


def _few(summary: str, values: str) -> Callable[[Pools], TextMeaning]:
    return _plain(f"{summary}, one of {len(values.split())}", lambda _pools: values.split())


_MEANINGS: dict[str, Callable[[Pools], TextMeaning]] = {
    "email": _email,
    "first_name": _from("a first name", "person.first_name", _with_number),
    "last_name": _from("a last name", "person.last_name", _with_number),
    "full_name": _full_name,
    "username": _username,
    # No password has it as its hash.
    "password": _plain("a password hash that fits no password", _hexes(40, "!unusable$")),
    "hex": _hex,
    "phone": _plain(
        "a phone number (reserved range)",
        lambda _pools: [
            f"+1-{area}-555-01{last:02}" for area in range(201, 210) for last in range(100)
        ],
    ),
    "city": _from("a city", "address.city", _with_number),
    "country": _from("a country", "address.country", _with_number),
    "country_code": _from("a country code", "address.country_code", _with_number),
    "state": _from("a state", "address.state", _with_number),
    "postcode": _from("a postal code", "address.postal_code", _with_number),
    "address": _from("a street address", "address.address", _with_number),
    "address2": _plain(
        "a part of an address", lambda _pools: [f"Apt. {number}" for number in range(1, 200)]
    ),
    "url": _site("a URL (reserved domain)", "https://{}.example.com/"),
    "image": _site("the URL of an image", "https://images.example.com/{}.jpg"),
    "domain": _site("a host name (reserved domain)", "{}.example.com"),
    "slug": _slug,
    "ip": _plain(
        "an IP address (private)",
        lambda _pools: [f"10.{a}.{b}.{(a * b) % 250 + 1}" for a in range(30) for b in range(50)],
    ),
    "user_agent": _from("a user agent", "internet.user_agent", _with_number),
    "company": _from("a company", "finance.company", _with_number),
    "occupation": _from("an occupation", "person.occupation", _with_number),
    "title": _plain("a short phrase", lambda pools: pools.phrases()),
    "text": _plain("one sentence or several", lambda pools: pools.texts()),
    "color": _from("a colour", "text.color", _with_number),
    "currency": _few("a currency code", "USD EUR GBP JPY CHF CAD AUD SEK"),
    "locale": _few("a language code", "en de fr es it pt ja"),
    "timezone": _from("a time zone", "datetime.timezone", _with_number),
    "tag": _plain("a word", lambda pools: pools.words()[:200]),
    "mime": _from("a MIME type", "file.mime_type", _with_number),
    "file": _site("a file name", "{}.pdf"),
    "path": _site("a path", "/srv/files/{}.pdf"),
    "code": _code,
    "gender": _few("a gender", "female male other"),
    "status": _few("a status", "active pending inactive archived"),
    "type": _few("a type", "standard basic special internal other"),
    "role": _few("a role", "member viewer editor admin"),
    "level": _few("a level", "info warning error debug"),
    "priority": _few("a priority", "medium high low urgent"),
    "tier": _few("a plan", "free basic pro enterprise"),
    "environment": _few("an environment", "production staging development"),
    "house_number": _plain("a number", lambda _pools: [str(n) for n in range(1, 200)]),
    "digits": _plain("four digits", lambda _pools: [f"{n * 7919 % 10_000:04}" for n in range(500)]),
    "version": _plain(
        "a version", lambda _pools: [f"{n % 4 + 1}.{n * 7 % 13}.{n % 10}" for n in range(260)]
    ),
    "name": _plain(
        "two words",
        lambda pools: [
            f"{word} {pools.words()[n * 7 % len(pools.words())]}".capitalize()
            for n, word in enumerate(pools.words())
        ],
    ),
}


def any_text(pools: Pools) -> TextMeaning:
    """Return the meaning of a text column whose name tells nothing."""
    return _plain("a few words", lambda pools: pools.phrases())(pools)
