"""What the name of a column says about its values: a password, a token, a card's number."""

from __future__ import annotations

import re

# snake_case, kebab-case, camelCase and HTTPToken fall into their words; digits are no part of one.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Kept for good: whatever comes before them in the same word, as in `authtoken`.
_SECRETS = ("password", "passwd", "passphrase", "passcode", "secret", "token", "apikey")
_WHOLE = {
    "pwd": "password",
    "credential": "credential",
    "jwt": "token",
    "otp": "one-time password",
    "totp": "one-time password",
    "salt": "salt",
    "ssn": "social security number",
    "cvv": "card",
    "cvc": "card",
    "iban": "bank account",
    "sessionid": "session id",
    "sessiondata": "session data",
    "sess": "session data",
    "passkey": "credential",
    "authcode": "one-time password",
    "privatekey": "private key",
    "creditcard": "card",
    "cardnumber": "card",
}
_PHRASES = {
    ("api", "key"): "api key",
    ("private", "key"): "private key",
    ("access", "key"): "access key",
    ("signing", "key"): "signing key",
    ("encryption", "key"): "encryption key",
    ("auth", "code"): "one-time password",
    ("authorization", "code"): "one-time password",
    ("authentication", "code"): "one-time password",
    ("verification", "code"): "one-time password",
    ("confirmation", "code"): "one-time password",
    ("activation", "code"): "one-time password",
    ("access", "code"): "one-time password",
    ("login", "code"): "one-time password",
    ("reset", "code"): "one-time password",
    ("recovery", "code"): "one-time password",
    ("backup", "code"): "one-time password",
    ("security", "code"): "one-time password",
    ("device", "code"): "one-time password",
    ("code", "verifier"): "one-time password",
    ("security", "answer"): "password",
    ("secret", "key"): "private key",
    ("master", "key"): "private key",
    ("auth", "key"): "api key",
    ("ssh", "key"): "private key",
    ("session", "data"): "session data",
    ("session", "cookie"): "session id",
    ("auth", "cookie"): "session id",
    ("session", "id"): "session id",
    ("session", "key"): "session key",
    ("credit", "card"): "card",
    ("card", "number"): "card",
    ("card", "no"): "card",
    ("bank", "account"): "bank account",
    ("social", "security"): "social security number",
    ("pass", "word"): "password",
    ("pass", "phrase"): "password",
}
# About a secret, not the secret.
_ABOUT_LAST = frozenset(
    {
        "at", "on", "date", "time", "timestamp", "count", "length", "len", "type", "kind", "status",
        "state", "enabled", "disabled", "required", "changed", "verified", "expired", "expires",
        "expiry", "expiration", "ttl", "age", "attempts", "version", "algorithm", "usage", "limit",
        "method", "used", "policy", "scope", "scopes", "name", "provider", "id", "ids",
    }
)  # fmt: skip
_ABOUT_FIRST = frozenset(
    {"is", "has", "had", "needs", "must", "requires", "can", "allow", "allows", "show", "num", "n",
     "max", "min", "total"}
)  # fmt: skip
# Where tokens are had, as OAuth names it: `token_url`, `token_endpoint_auth_method`.
_ADDRESSES = frozenset({"url", "uri", "endpoint"})
_OF_SERVICES = frozenset({"access", "auth", "id", "oauth", "oidc", "refresh", "request"})
# What a session is kept in: a document of its own, or such a column of a table of sessions.
_SESSION = re.compile(r"(?:.*[^a-z])?(?:user|http|web)?sessions?", re.IGNORECASE)
_SESSION_DATA = frozenset({"content", "data", "payload", "sess", "sid", "state", "value"})
_DOCUMENT = re.compile(r"(?:jsonb?|bytea|hstore)\b")
# How a password is kept, in one word with it.
_KEPT = re.compile(r"(?:password|passwd|passphrase)(?:hash|hashed|digest|salt|enc|encrypted|crypt)")
# Values of these types hold no secret, whatever the column is called.
_HARMLESS_TYPES = re.compile(
    r"(?:boolean|date|time|timestamp|interval|(?:ts|tstz|date)(?:multi)?range)\b"
)
_NUMBERS = re.compile(r"(?:smallint|integer|bigint|real|double precision|numeric)\b")
# Of what a name says, only these are ever kept as a number: `tokens integer` counts them.
_NUMERIC = frozenset(
    {"one-time password", "social security number", "card", "bank account"}
)  # fmt: skip


def secret_in(column: str, type_: str | None = None, table: str = "") -> str | None:
    """Return which secret a column holds by its name, None where the name says of none.

    `type_` is PostgreSQL's name of its type: a moment or a truth value is no secret, and a number
    seldom. In doubt it is one. `table` is what the column is a part of.
    """
    if type_ is not None and _HARMLESS_TYPES.match(type_):
        return None
    is_document = type_ is not None and _DOCUMENT.match(type_) is not None
    if is_document and _SESSION.fullmatch(column):
        return "session data"
    if column.lower() in _SESSION_DATA and holds_sessions(table) and not _is_number(type_):
        return "session data"
    words = [word.lower() for word in _WORDS.findall(column)]
    found = _secret(words)
    if found is None:
        return None
    return None if found not in _NUMERIC and _is_number(type_) else found


def holds_sessions(table: str) -> bool:
    """Return whether a table keeps sessions, by its name."""
    return _SESSION.fullmatch(table) is not None


def _is_number(type_: str | None) -> bool:
    return type_ is not None and _NUMBERS.match(type_) is not None


def _secret(words: list[str]) -> str | None:
    for at in range(len(words)):
        end = at + 1
        found = _word(words[at])
        if found is None:
            end = at + 2
            found = (
                _PHRASES.get((words[at], words[at + 1].removesuffix("s")))
                if at + 1 < len(words)
                else None
            )
        if found is None:
            continue
        tail = words[end:]
        if (tail and tail[-1] in _ABOUT_LAST) or (at and words[0] in _ABOUT_FIRST):
            continue
        if (
            tail
            and tail[0] in _ADDRESSES
            and found == "token"
            and _OF_SERVICES.issuperset(words[:at])
        ):
            continue
        return found
    return None


def _word(word: str) -> str | None:
    for written in (word, word.removesuffix("s")):
        if found := _WHOLE.get(written):
            return found
        if found := next((secret for secret in _SECRETS if written.endswith(secret)), None):
            return found
        if _KEPT.search(written):
            return "password"
    return None
