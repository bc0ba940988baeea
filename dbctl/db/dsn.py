"""Connection strings: read what people paste, show no password, tell asyncpg every keyword."""

import getpass
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from dbctl.db import conninfo
from dbctl.db.conninfo import DEFAULT_PORT, Value
from dbctl.errors import ConfigurationError

_APPLICATION_NAME = "dbctl"
# Where asyncpg looks when no host is given; spelt out so that it cannot read another PGHOST.
_DEFAULT_HOSTS = (
    ["localhost"]
    if sys.platform == "win32"
    else ["/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp", "localhost"]  # noqa: S108
)
_PLAIN = (
    *("sslrootcert", "sslcert", "sslkey", "sslpassword"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "passfile"),
)
_SAFE_TO_SHOW = ("sslmode", "sslrootcert", "sslcert", "sslnegotiation", "target_session_attrs")
_SESSION_ATTRS = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

_POOLER = re.compile(r"-pooler(?=\.)", re.IGNORECASE)


class SslMode(StrEnum):
    """How far TLS goes, in libpq's words."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True)
class Address:
    """Name one server: no host is libpq's default, one that begins with "/" a socket's folder."""

    host: str | None
    port: int

    @property
    def is_unix(self) -> bool:
        """Tell whether the host is the folder of a unix socket."""
        return self.host is not None and self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Tell whether the server is on this machine: a unix socket or a loopback address."""
        return self.host is None or self.is_unix or _is_loopback(self.host)

    @property
    def is_pooler(self) -> bool:
        """Tell whether the host's first label ends in "-pooler", as Neon's pooled hosts do."""
        return (self.host or "").partition(".")[0].lower().endswith("-pooler")

    @property
    def is_neon(self) -> bool:
        """Tell whether the host is one of Neon's."""
        return (self.host or "").lower().rstrip(".").endswith(".neon.tech")

    def __str__(self) -> str:
        host = "localhost" if self.host is None else self.host
        return f"{f'[{host}]' if ':' in host and not self.is_unix else host}:{self.port}"


def _is_loopback(host: str) -> bool:
    """Tell whether `host` means this machine wherever it is resolved."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class Dsn:
    """Hold one parsed connection string; asyncpg's own defaults fill what is None."""

    addresses: tuple[Address, ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    sslmode: SslMode
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = field(default=None, repr=False)
    ssl_min_protocol_version: str | None = None
    ssl_max_protocol_version: str | None = None
    direct_tls: bool = False
    target_session_attrs: str | None = None
    passfile: str | None = None
    server_settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    pooled: bool = False

    @property
    def is_neon(self) -> bool:
        """Tell whether a host is one of Neon's."""
        return any(address.is_neon for address in self.addresses)

    @property
    def is_local(self) -> bool:
        """Tell whether every address is a unix socket or loopback."""
        return all(address.is_local for address in self.addresses)

    @property
    def servers(self) -> str:
        """Name the servers for people: `host:port`, joined by commas, IPv6 in brackets."""
        return ",".join(map(str, self.addresses))

    @property
    def label(self) -> str:
        """Describe the target for people: `host:port/database`, or the servers alone."""
        text = self.servers if self.database is None else f"{self.servers}/{self.database}"
        return "".join(char if char.isprintable() else _quote(char) for char in text)

    def url(self) -> str:
        """Write the whole URL, password included; `parse` reads the same Dsn back from it."""
        password = None if self.password is None else _quote(self.password)
        return self._render(password, dict(self._parameters()))

    def redacted(self) -> str:
        """Write the URL for people: `***` for the password, and no parameter that may be secret."""
        shown = {name: text for name, text in self._parameters() if name in _SAFE_TO_SHOW}
        return self._render(None if self.password is None else "***", shown)

    def direct(self) -> "Dsn":
        """Return the direct twin of a Neon pooled host; anything else comes back unchanged."""
        if not any(address.is_neon and address.is_pooler for address in self.addresses):
            return self
        addresses = tuple(
            replace(address, host=_POOLER.sub("", address.host, count=1))
            if address.host and address.is_neon and address.is_pooler
            else address
            for address in self.addresses
        )
        pooled = any(address.is_pooler for address in addresses)
        return replace(self, addresses=addresses, pooled=pooled)

    def connect_kwargs(self) -> dict[str, Any]:
        """Return every keyword `asyncpg.connect()` needs, so that it has no text to parse.

        The variables that `parse` read are spelt out, so that asyncpg does not look at the
        environment again; it finds only a missing password there, in PGPASSWORD or the passfile.
        The statement cache is left to the caller, who may find a pooler out only on connecting.
        Raises ConfigurationError when a certificate or key cannot be loaded.
        """
        from dbctl.db.tls import ssl_argument

        pairs = [
            (host, address.port)
            for address in self.addresses
            for host in (_DEFAULT_HOSTS if address.host is None else [address.host])
        ]
        tls = ssl_argument(self)
        user = self.user or getpass.getuser()
        return {
            "host": [host for host, _ in pairs],
            "port": [port for _, port in pairs],
            "user": user,
            "password": self.password,
            "database": self.database or user,
            "passfile": self.passfile,
            "ssl": tls,
            "direct_tls": self.direct_tls and tls is not False,
            "server_settings": dict(self.server_settings),
            "target_session_attrs": self.target_session_attrs or "any",
        }

    def _render(self, password: str | None, parameters: dict[str, str]) -> str:
        userinfo = _quote(self.user or "") + ("" if password is None else f":{password}")
        if any(address.is_unix for address in self.addresses):
            authority = ""
            hosts = ",".join(address.host or "" for address in self.addresses)
            ports = ",".join(str(address.port) for address in self.addresses)
            parameters = {"host": hosts, "port": ports} | parameters
        else:
            authority = ",".join(map(_render_address, self.addresses))
        query = "&".join(f"{name}={_quote(text, '/:,')}" for name, text in parameters.items())
        path = f"/{_quote(self.database or '')}" if self.database or query or not authority else ""
        return (
            f"postgresql://{f'{userinfo}@' if userinfo else ''}{authority}{path}"
            f"{f'?{query}' if query else ''}"
        )

    def _parameters(self) -> Iterator[tuple[str, str]]:
        if self.sslmode is not _default_sslmode(self.addresses):
            yield "sslmode", self.sslmode
        for name in _PLAIN:
            if text := getattr(self, name):
                yield name, text
        if self.direct_tls:
            yield "sslnegotiation", "direct"
        if self.pooled and not any(address.is_pooler for address in self.addresses):
            yield "pgbouncer", "true"
        settings = dict(self.server_settings)
        if (name := settings.pop("application_name", _APPLICATION_NAME)) != _APPLICATION_NAME:
            yield "application_name", name
        if settings:
            escaped = {name: re.sub(r"([\\\s])", r"\\\1", text) for name, text in settings.items()}
            yield "options", " ".join(f"-c {name}={text}" for name, text in escaped.items())


def parse(
    text: str, *, source: str = "DATABASE_URL", environ: Mapping[str, str] | None = None
) -> Dsn:
    """Read a connection URL as people paste it; libpq's variables in `environ` fill its gaps.

    `environ` defaults to `os.environ`. Raises ConfigurationError(dsn_invalid) that begins with
    `source`, or with the variable at fault, and holds no value of the text.
    """
    endpoints, values = conninfo.read(text, source, os.environ if environ is None else environ)
    addresses = tuple(Address(host, port) for host, port in endpoints)
    texts = {name: value.text for name, value in values.items()}
    direct_tls = _choice(values, "sslnegotiation", ("postgres", "direct")) == "direct"
    settings = dict(values["options"].settings()) if "options" in values else {}
    in_options = settings.pop("application_name", None)
    application_name = (
        texts.get("application_name")
        or in_options
        or texts.get("fallback_application_name", _APPLICATION_NAME)
    )
    return Dsn(
        addresses=addresses,
        user=texts.get("user"),
        password=texts.get("password"),
        database=texts.get("dbname"),
        sslmode=_sslmode(values, addresses, direct_tls=direct_tls),
        sslrootcert=texts.get("sslrootcert"),
        sslcert=texts.get("sslcert"),
        sslkey=texts.get("sslkey"),
        sslpassword=texts.get("sslpassword"),
        ssl_min_protocol_version=_choice(values, "ssl_min_protocol_version", _TLS_VERSIONS),
        ssl_max_protocol_version=_choice(values, "ssl_max_protocol_version", _TLS_VERSIONS),
        direct_tls=direct_tls,
        target_session_attrs=_choice(values, "target_session_attrs", _SESSION_ATTRS),
        passfile=texts.get("passfile"),
        server_settings=(*settings.items(), ("application_name", application_name)),
        pooled=_asks_for_pooled(values) or any(address.is_pooler for address in addresses),
    )


def redact(text: str) -> str:
    """Write any text that should be a connection URL without its secrets; never raise."""
    try:
        return parse(text, environ={}).redacted()
    except ConfigurationError:
        return "postgresql://***"


def _quote(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors="surrogateescape")


def _render_address(address: Address) -> str:
    if address.host is None:
        return "" if address.port == DEFAULT_PORT else f":{address.port}"
    host = _quote(address.host, ":")
    return f"{f'[{host}]' if ':' in host else host}:{address.port}"


def _default_sslmode(addresses: tuple[Address, ...]) -> SslMode:
    return SslMode.PREFER if all(address.is_local for address in addresses) else SslMode.REQUIRE


def _sslmode(
    values: Mapping[str, Value], addresses: tuple[Address, ...], *, direct_tls: bool
) -> SslMode:
    given = values.get("sslmode")
    system = "sslrootcert" in values and values["sslrootcert"].text == "system"
    if given is None:
        if system:
            return SslMode.VERIFY_FULL
        return SslMode.REQUIRE if direct_tls else _default_sslmode(addresses)
    switch = given.flag() if given.name == "ssl" else None
    if switch is None:
        mode = given.choice(tuple(SslMode))
    else:
        mode = SslMode.REQUIRE if switch else SslMode.DISABLE
    if system and mode is not SslMode.VERIFY_FULL:
        hint = "Write sslmode=verify-full, or leave sslmode out."
        raise given.refuse("is too weak for sslrootcert=system", hint=hint)
    if direct_tls and mode in (SslMode.DISABLE, SslMode.ALLOW, SslMode.PREFER):
        raise given.refuse("is too weak for sslnegotiation=direct", hint="Write sslmode=require.")
    return mode


def _choice(values: Mapping[str, Value], name: str, allowed: tuple[str, ...]) -> str | None:
    return values[name].choice(allowed) if name in values else None


def _asks_for_pooled(values: Mapping[str, Value]) -> bool:
    asked = False
    if pgbouncer := values.get("pgbouncer"):
        flag = pgbouncer.flag()
        if flag is None:
            raise pgbouncer.refuse("has no value that it takes", hint="Write true or false.")
        asked = flag
    for name in ("statement_cache_size", "prepared_statement_cache_size"):
        if size := values.get(name):
            if not re.fullmatch("[0-9]+", size.text):
                raise size.refuse("is not a whole number", hint="Write 0 for a pooled target.")
            asked = asked or not size.text.strip("0")
    return asked
