"""Keep secrets out of text that was written elsewhere: tracebacks, causes, errors of a project."""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from urllib.parse import unquote

_HIDDEN = "***"
# Shorter ones are in every text by chance; where they are a password's value, its form hides them.
_SHORTEST = 3
# As long as nobody's word: a shorter one is replaced only where it stands alone, and so is a word.
_LONG = 8

_URL_USER = re.compile(r"(?<=://)[^\s/?#]*@")
# What is written in place of a password need not be a URL, but ends at an "@" all the same.
_DSN_USER = re.compile(r"(postgres(?:ql)?(?:\+\w+)?://)(?:\S*@|[^/?#\n]*@)", re.IGNORECASE)
_PASSWORD = re.compile(
    r"(\b\w*password(?:\s*=\s*|['\"]\s*:\s*))"
    r"(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\s&]+)",
    re.IGNORECASE,
)
_IN_QUERY = re.compile(r"[?&](?:ssl)?password=([^&#\s]+)", re.IGNORECASE)

# They end with the run that learned them, as the format that the run prints in does; its threads
# and tasks share them.
_secrets: ContextVar[set[str] | None] = ContextVar("secrets", default=None)


def remember(*secrets: str | None, names: Iterable[str | None] = ()) -> None:
    """Have `scrub` replace each of `secrets`, as it is and decoded, for the rest of this run.

    Not one that is among `names` too, such as the user's or the database's: "postgres" hides
    nothing, and would be missed in every message.
    """
    public = {unquote(name) for name in names if name}
    written = {secret for secret in secrets if secret and unquote(secret) not in public}
    known = _secrets.get()
    if known is None:
        _secrets.set(known := set())
    known |= written | {unquote(secret) for secret in written}


def remember_url(text: str) -> None:
    """Have `scrub` replace the passwords of a connection URL, which need not be a correct one."""
    rest = text.partition("://")[2]
    database = re.split("[?#]", rest.rpartition("@")[2].partition("/")[2])[0]
    # A "/" that nobody escaped is in a password as often as it begins the path.
    for authority in (rest, re.split("[/?#]", rest, maxsplit=1)[0]):
        userinfo, _, place = authority.rpartition("@")
        user, _, password = userinfo.partition(":")
        remember(password, names=(user, database, *re.split("[:,]", place.partition("/")[0])))
    remember(*_IN_QUERY.findall(text))


def hide(text: str, secret: str) -> str:
    """Return `text` without `secret`, where that is not a part of a word by chance."""
    if len(secret) < _SHORTEST:
        return text
    literal = re.escape(secret)
    is_unique = len(secret) >= _LONG and not secret.isalpha()
    return re.sub(literal if is_unique else rf"(?<!\w){literal}(?!\w)", _HIDDEN, text)


def scrub(text: str) -> str:
    """Return `text` without the secrets of this run, or what has the form of one.

    That is the user information of every URL and the value of everything named password.
    """
    for secret in sorted(_secrets.get() or (), key=len, reverse=True):
        text = hide(text, secret)
    text = _DSN_USER.sub(rf"\1{_HIDDEN}@", text)
    text = _URL_USER.sub(f"{_HIDDEN}@", text)
    return _PASSWORD.sub(rf"\1{_HIDDEN}", text)
