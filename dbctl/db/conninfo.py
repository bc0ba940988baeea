"""The text of a connection string: taken apart strictly, decoded, and never shown in an error."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from dbctl.errors import ConfigurationError, ErrorCode

DEFAULT_PORT = 5432
EXAMPLE = "postgresql://user:password@host:5432/database"

_USERINFO = "the user name or password, which end at the last '@'"
_SECRETS = ("password", "sslpassword")
_HONOURED = frozenset(
    "host port user password dbname ssl sslmode sslrootcert sslcert sslkey"  # noqa: SIM905
    " sslpassword sslnegotiation ssl_min_protocol_version ssl_max_protocol_version"
    " target_session_attrs application_name fallback_application_name passfile options"
    " pgbouncer statement_cache_size prepared_statement_cache_size".split()
)
# The session is the same without them: tuning, GSSAPI, what asyncpg does anyhow, Prisma's pool.
_HARMLESS = frozenset(
    "channel_binding connect_timeout keepalives keepalives_idle"  # noqa: SIM905
    " keepalives_interval keepalives_count tcp_user_timeout gssencmode krbsrvname gsslib"
    " client_encoding load_balance_hosts sslcompression sslsni"
    " connection_limit pool_timeout".split()
)
_KNOWN = _HONOURED | _HARMLESS
_ENVIRONMENT = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "application_name": "PGAPPNAME",
}

_PASTE = re.compile(
    r"(?:psql\s+|(?:export\s+)?[A-Z][A-Z0-9_]*\s*=\s*)?(['\"]?)(?P<url>.*)\1", re.DOTALL
)
_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
_HOSTS = re.compile(r"(?:(?:\[[^\[\]]*\]|[^:,\[\]]*)(?::\d*)?(?:,|$))*")
_HOST = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>.*))?", re.DOTALL)
_IPV6 = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*(?:%[\w.-]+)?", re.IGNORECASE)
_NAME = re.compile(r"[^\s:/@,\[\]?#%]+")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_WORD = re.compile(r"(?:\\.|[^\\\s])+", re.ASCII | re.DOTALL)
_SETTING = re.compile(r"(?:--|-c)([A-Za-z_][\w.$-]*)=(.*)", re.ASCII | re.DOTALL)
_FLAG = re.compile(r"--[A-Za-z][\w.-]*|-[A-Za-z]", re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("true", "1", "on", "yes"), True),
    **dict.fromkeys(("false", "0", "off", "no"), False),
}
# In the startup message these are no settings: they say who connects, and how.
_NOT_SETTINGS = ("user", "database", "replication", "options")

type Endpoint = tuple[str | None, int]


@dataclass(frozen=True, slots=True)
class Value:
    """Hold one decoded parameter and where it was written: the setting's or the variable's name."""

    name: str
    text: str = field(repr=False)
    source: str

    def refuse(self, problem: str, *, hint: str) -> ConfigurationError:
        """Make the error that says what is wrong with this parameter, without its value."""
        return _invalid(self.source, f"{self.name} {problem}", hint)

    def choice[T: str](self, allowed: Collection[T]) -> T:
        """Read one of the allowed words."""
        for word in allowed:
            if word == self.text:
                return word
        hint = f"Write one of {', '.join(allowed)}."
        raise self.refuse("has a value that it does not take", hint=hint)

    def flag(self) -> bool | None:
        """Read true or false in any of their spellings; None is neither."""
        return _BOOLEANS.get(self.text.lower())

    def settings(self) -> Iterator[tuple[str, str]]:
        """Read the server settings out of `-c name=value` and `--name=value`."""
        words = iter(_WORD.findall(self.text))
        for word in words:
            if word.startswith(("endpoint=", "project=")):
                continue  # for Neon's proxy, which reads the same from SNI
            option = word + next(words, "") if word == "-c" else word
            match = _SETTING.fullmatch(re.sub(r"\\(.)", r"\1", option, flags=re.DOTALL))
            name = match[1].replace("-", "_") if match else ""
            if not match or name in _NOT_SETTINGS:
                flag = _FLAG.match(option)
                held = flag[0] if flag else "a word that is no option"
                hint = "Each option is written -c%20name%3Dvalue."
                raise self.refuse(f"holds {held}, which dbctl cannot pass on", hint=hint)
            if name != "client_encoding":
                yield name, match[2]


def read(
    text: str, source: str, environ: Mapping[str, str]
) -> tuple[list[Endpoint], dict[str, Value]]:
    """Take a pasted URL apart into its servers and its known parameters, each decoded.

    What the URL leaves open comes from libpq's variables in `environ`; "ssl" goes by "sslmode",
    and a parameter without a value is absent. Raises ConfigurationError, which quotes nothing of
    the text but the names of unknown parameters.
    """
    userinfo, authority, path, query = _cut(_unwrap(text, source), source)
    values: dict[str, Value] = {}
    if authority.startswith(":") and "," not in authority:
        values["port"], authority = Value("port", _decode(authority[1:], source), source), ""
    user, _, password = userinfo.partition(":")
    written = [("user", user), ("password", password), ("dbname", path), *_query(query, source)]
    for name, encoded in written:
        if not encoded:
            continue
        key = "sslmode" if name == "ssl" else name
        if key in values or (key == "host" and authority):
            raise _invalid(source, f"{key} is given twice", "Write it once.")
        values[key] = Value(name, _decode(encoded, source), source)
    for key, variable in _ENVIRONMENT.items():
        if key not in values and environ.get(variable) and not (key == "host" and authority):
            values[key] = Value(key, environ[variable], variable)
    return list(_endpoints(authority, values, source)), values


def _invalid(source: str, problem: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{source}: {problem}", hint=hint, code=ErrorCode.DSN_INVALID)


def _unwrap(text: str, source: str) -> str:
    match = _PASTE.fullmatch(text.strip())
    url = match["url"].strip() if match else ""
    if not url:
        raise _invalid(source, "the connection string is empty", f"Write it as {EXAMPLE}.")
    if scheme := _SCHEME.match(url):
        return url[scheme.end() :]
    if re.match(r"\w+\s*=", url):
        problem = "libpq's key=value form is not supported, only a URL is"
    else:
        problem = "the connection string is not a PostgreSQL URL"
    raise _invalid(source, problem, f"Write it as {EXAMPLE}.")


def _cut(body: str, source: str) -> tuple[str, str, str, str]:
    """Cut what follows "://" into userinfo, hosts, database and query, each still encoded.

    An unescaped delimiter in a password shifts every later border, so that parts of the password
    would turn up as host, database or parameter: the last "@" decides where userinfo ends, and
    only a query of known parameters behind well-formed hosts may hold one of its own.
    """
    hosts = re.split(r"[/?#]", body, maxsplit=1)[0]
    at = body.rfind("@")
    if at > len(hosts):
        path, _, query = body[len(hosts) :].partition("?")
        names = [segment.partition("=") for segment in query.split("&") if segment]
        if (
            not {"@", "#"} & {*path, *hosts}
            and "#" not in query
            and _HOSTS.fullmatch(hosts)
            and all(equals and name in _KNOWN for name, equals, _ in names)
        ):
            at = -1
    userinfo, rest = body[: max(at, 0)], body[at + 1 :]
    _refuse_unescaped(userinfo, "/?#@[]", _USERINFO, source)
    _refuse_unescaped(rest, "#", "the part after the password", source)
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    path, _, query = rest[len(authority) :].partition("?")
    _refuse_unescaped(path[1:], "/", "the database name", source)
    return userinfo, authority, path[1:], query


def _refuse_unescaped(text: str, reserved: str, place: str, source: str) -> None:
    for position, char in enumerate(text):
        if char == "%" and not _ESCAPE.match(text, position):
            raise _unescaped(char, place, source)
        if char in reserved or char.isspace() or not char.isprintable():
            raise _unescaped(char, place, source)


def _unescaped(char: str, place: str, source: str) -> ConfigurationError:
    shown = f"'{char}'" if char.isprintable() else f"U+{ord(char):04X}"
    if "\ud800" <= char <= "\udfff":
        return _invalid(source, f"{place} is not valid UTF-8", "Percent-encode it as UTF-8.")
    problem = f"{shown} is not escaped in {place}"
    return _invalid(source, problem, f"There, {shown} is written {quote(char, safe='')}.")


def _query(query: str, source: str) -> Iterator[tuple[str, str]]:
    unknown: list[str] = []
    previous = ""
    for segment in filter(None, query.split("&")):
        name, equals, encoded = segment.partition("=")
        if not equals or name not in _KNOWN:
            if previous in _SECRETS:
                raise _unescaped("&", f"{previous}=", source)
            if not equals:
                raise _invalid(source, "a parameter has no value", "Write it as name=value.")
            unknown.append(name)
        elif name in _HONOURED:
            yield name, encoded
        previous = name
    if unknown:
        names = ", ".join(f"'{_visible(name)}'" for name in unknown)
        plural = "s" if len(unknown) > 1 else ""
        raise _invalid(source, f"unknown parameter{plural} {names}", _advice(unknown[0]))


def _visible(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:40]


_LIBPQ_ONLY = frozenset({"sslcertmode", "sslcrl", "sslcrldir", "sslkeylogfile", "service"})


def _advice(unknown: str) -> str:
    from difflib import get_close_matches

    if unknown in ("schema", "currentSchema", "search_path"):
        return "Write the schema x as options=-csearch_path%3Dx."
    if unknown in _LIBPQ_ONLY:  # the nearest name would mean something else
        return "dbctl has nothing like it; leave it out."
    if close := get_close_matches(unknown, sorted(_KNOWN), n=1, cutoff=0.75):
        return f"Did you mean '{close[0]}'?"
    return "Leave it out; a server setting is written options=-cname%3Dvalue."


def _decode(encoded: str, source: str) -> str:
    try:
        text = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        text = None  # raised below: as context, this exception would carry the text along
    if text is None:
        raise _invalid(source, "an escape is not valid UTF-8", "Percent-encode the text as UTF-8.")
    if "\0" in text:
        raise _invalid(source, "%00 is a character that PostgreSQL cannot take", "Leave it out.")
    return text


def _endpoints(authority: str, values: Mapping[str, Value], source: str) -> Iterator[Endpoint]:
    written = Value("host", authority, source) if authority else values.get("host")
    specs = written.text.split(",") if written else [""]
    parsed = [_endpoint(spec, written, escaped=bool(authority)) for spec in specs]
    default = values.get("port")
    ports = [_port(text, default) for text in default.text.split(",")] if default else [None]
    if default and default.source == source and any(port for _, port in parsed):
        raise _invalid(source, "port is given twice", "Write it once.")
    if default and len(ports) not in (1, len(parsed)):
        hint = "Give one port for all hosts, or one for each."
        raise default.refuse("has another number of entries than there are hosts", hint=hint)
    for (host, own), port in zip(parsed, ports * (len(parsed) // len(ports)), strict=True):
        yield host, own or port or DEFAULT_PORT


def _endpoint(spec: str, value: Value | None, *, escaped: bool) -> tuple[str | None, int | None]:
    if value is None:
        return None, None
    bare_ipv6 = spec.count(":") > 1 and not spec.startswith("[")
    if not escaped and (spec.startswith("/") or bare_ipv6):
        host, port = spec, None
    elif match := _HOST.fullmatch(spec):
        host, port = match["ipv6"] or match["name"], match["port"]
        host = _decode(host, value.source) if escaped else host
        if match["ipv6"] and ":" not in host:
            host = ""
    else:
        host, port = "", None
    if host.startswith("/"):
        sound = "," not in host
    else:
        sound = bool((_IPV6 if ":" in host else _NAME).fullmatch(host)) and host.isprintable()
    if not sound:
        hint = "Write an IPv6 address in brackets, as in [::1]:5432; commas separate several hosts."
        raise value.refuse("is not a host name, an address or a socket's folder", hint=hint)
    return host, _port(port, value) if port else None  # libpq takes `host:` as well


def _port(text: str, value: Value) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        hint = f"A port is a number from 1 to 65535. The whole form is {EXAMPLE}."
        raise _invalid(value.source, "a port is not a valid number", hint)
    return int(text)
