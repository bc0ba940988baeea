import getpass
import inspect
import subprocess
import sys
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dbctl.db.dsn import Address, Dsn, SslMode, parse, redact
from dbctl.errors import ConfigurationError, ErrorCode, ExitCode

POOLED = (
    "postgresql://alex:npg_AbC123dEf@ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech"
    "/neondb?sslmode=require&channel_binding=require"
)
DIRECT_HOST = "ep-cool-darkness-a1b2c3d4.us-east-2.aws.neon.tech"

RESERVED = "/?#@[]%"
# No error, no hint and no other part of the URLs below uses a character of this alphabet.
FOREIGN = "ДЖЙЦЩЯджйцщяΩΨΞ漢字🔑"
passwords = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
foreign_passwords = st.text(FOREIGN + RESERVED + ":&=+,;!'\" \t\n$<>|\\^`{}~*", min_size=1).filter(
    lambda password: set(password) & set(FOREIGN)
)
tidy = settings(deadline=None)


def read(text: str, environ: dict[str, str] | None = None) -> Dsn:
    return parse(text, environ=environ or {})


def attempt(text: str, environ: dict[str, str] | None = None) -> Dsn | ConfigurationError:
    try:
        return read(text, environ)
    except ConfigurationError as error:
        return error


def refusal(text: str, environ: dict[str, str] | None = None) -> ConfigurationError:
    outcome = attempt(text, environ)
    assert isinstance(outcome, ConfigurationError)
    return outcome


def everything_said(text: str) -> str:
    """Return all that can be shown of a connection string, good or bad, escapes undone."""
    outcome = attempt(text)
    shown = [repr(outcome), str(outcome), redact(text)]
    if isinstance(outcome, Dsn):
        shown += [outcome.redacted(), outcome.label, outcome.direct().redacted()]
    else:
        # What a traceback prints, and what a debugger or an error tracker would find beyond it.
        assert outcome.__cause__ is None
        assert outcome.__context__ is None
        shown.append(outcome.hint or "")
    return "\n".join([*shown, *map(unquote, shown)])


# --- no password leaves ---------------------------------------------------------------------------


@tidy
@given(passwords)
def test_any_password_survives_escaping_and_parsing(password: str) -> None:
    dsn = read(f"postgresql://me:{quote(password, safe='')}@db.example.com/app")
    assert dsn.password == password
    assert dsn.connect_kwargs()["password"] == password
    assert read(f"postgresql://db.example.com?password={quote(password, safe='')}") == read(
        f"postgresql://:{quote(password, safe='')}@db.example.com"
    )


@tidy
@given(foreign_passwords)
def test_nothing_shown_holds_a_character_of_an_escaped_password(password: str) -> None:
    escaped = quote(password, safe="")
    for text in (
        f"postgresql://me:{escaped}@db.example.com:5432/app?sslmode=require",
        f"postgresql://db.example.com/app?user=me&password={escaped}&sslpassword={escaped}",
        f"postgresql://me:{escaped}@db.example.com/app?sslmode={escaped}",
        f"postgresql://me:{escaped}@db.example.com:{escaped}/app",
    ):
        assert not set(FOREIGN) & set(everything_said(text))


@tidy
@given(foreign_passwords, st.sampled_from(["", ":5432", ":5432/app", "/app?sslmode=require", "?a"]))
def test_nothing_shown_holds_a_character_of_an_unescaped_password(password: str, tail: str) -> None:
    for text in (
        f"postgresql://me:{password}@db.example.com{tail}",
        f"postgres://:{password}@db.example.com{tail}",
        f"psql 'postgresql://me:{password}@db.example.com{tail}'",
        f"postgresql://db.example.com?password={password}",
        f"mysql://me:{password}@db.example.com{tail}",
        f"host=db.example.com password={password}",
        password,
    ):
        assert not set(FOREIGN) & set(everything_said(text))


@tidy
@given(
    st.lists(st.sampled_from([*RESERVED, ":", "&", "=", " ", "12/", "1?", "%zz"]), min_size=1),
    st.sampled_from(["Д", "漢字", "ЩЯЯ"]),
    st.sampled_from(["Ж", "ΩΨΞΩΨΞ", "🔑"]),
)
def test_an_error_is_the_same_for_passwords_of_other_letters_and_length(
    separators: list[str], one: str, other: str
) -> None:
    first, second = (
        f"postgresql://me:{letters}{letters.join(separators)}{letters}@db.example.com/app"
        for letters in (one, other)
    )
    assert everything_said(first) == everything_said(second)


@tidy
@given(st.text())
def test_any_text_is_either_parsed_or_refused_and_redact_never_raises(text: str) -> None:
    for candidate in (text, f"postgresql://{text}", f"postgresql://me:{text}@host/{text}?{text}"):
        assert redact(candidate).startswith("postgresql://")
        outcome = attempt(candidate)
        if isinstance(outcome, Dsn):
            assert read(outcome.url()) == outcome
        else:
            assert outcome.code is ErrorCode.DSN_INVALID
            assert outcome.hint


def test_redact_keeps_the_target_and_hides_the_password() -> None:
    assert redact("postgres://me:s3cret@db.example.com/app?sslpassword=other") == (
        "postgresql://me:***@db.example.com:5432/app"
    )


def test_redact_says_nothing_of_what_does_not_parse() -> None:
    assert redact("postgresql://me:s3/cret@db.example.com/app") == "postgresql://***"
    assert redact("s3cret") == "postgresql://***"


def test_settings_that_may_hold_a_secret_are_not_shown() -> None:
    text = "postgresql://host/app?options=-c%20app.token%3DЖЖЖ&application_name=ДДД"
    assert dict(read(text).server_settings)["app.token"] == "ЖЖЖ"
    assert not set("ЖД") & set(everything_said(text))


# --- what people paste ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "POSTGRESQL",
        "postgresql+asyncpg",
        "postgresql+psycopg",
        "postgresql+psycopg2",
    ],
)
def test_the_schemes_of_libpq_and_sqlalchemy_mean_the_same(scheme: str) -> None:
    assert read(f"{scheme}://me:pw@host:6432/app") == read("postgresql://me:pw@host:6432/app")


@pytest.mark.parametrize(
    "paste",
    [
        f"  {POOLED}\n",
        f"'{POOLED}'",
        f'"{POOLED}"',
        f"psql '{POOLED}'",
        f"psql {POOLED}",
        f"DATABASE_URL='{POOLED}'",
        f'export DATABASE_URL="{POOLED}"',
        f'DATABASE_URL = "{POOLED}"',
    ],
)
def test_what_surrounds_a_pasted_url_is_taken_off(paste: str) -> None:
    assert read(paste) == read(POOLED)


def test_a_colon_without_a_port_means_the_default() -> None:
    assert read("postgresql://me@h:/db").addresses == (Address("h", 5432),)


def test_what_libpq_alone_knows_is_not_mistaken_for_a_name_alike() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read("postgresql://h/db?sslcrl=revoked.pem")
    assert "sslcert" not in f"{raised.value.hint}"


def test_the_pooled_string_of_the_neon_console_is_read_word_for_word() -> None:
    dsn = read(POOLED)
    assert dsn.addresses == (
        Address("ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech", 5432),
    )
    assert (dsn.user, dsn.password, dsn.database) == ("alex", "npg_AbC123dEf", "neondb")
    assert dsn.sslmode is SslMode.REQUIRE
    assert dsn.pooled
    assert dsn.is_neon
    assert dsn.server_settings == (("application_name", "dbctl"),)


def test_a_neon_pooled_host_has_a_direct_twin() -> None:
    twin = read(POOLED).direct()
    assert twin == read(POOLED.replace("-pooler", ""))
    assert twin.label == f"{DIRECT_HOST}:5432/neondb"
    assert not twin.pooled
    assert twin.password == "npg_AbC123dEf"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://{DIRECT_HOST}/neondb",
        "postgresql://db-pooler.example.com/app",
        "postgresql://evil-neon.tech/app",
        "postgresql://host/app?pgbouncer=true",
    ],
)
def test_only_a_neon_pooled_host_has_a_direct_twin(text: str) -> None:
    dsn = read(text)
    assert dsn.direct() is dsn


@pytest.mark.parametrize(
    ("text", "pooled"),
    [
        ("postgresql://db-pooler.example.com/app", True),
        ("postgresql://DB-POOLER.example.com/app", True),
        ("postgresql://host/app?pgbouncer=true", True),
        ("postgresql://host/app?statement_cache_size=0", True),
        ("postgresql://host/app?prepared_statement_cache_size=0", True),
        ("postgresql://host/app", False),
        ("postgresql://host/app?pgbouncer=false", False),
        ("postgresql://host/app?statement_cache_size=100", False),
        ("postgresql://db.example-pooler.com/app", False),
        ("postgresql://host/app-pooler", False),
    ],
)
def test_a_pooler_is_known_by_the_first_label_or_a_parameter(text: str, pooled: bool) -> None:
    assert read(text).pooled is pooled


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("postgresql://", [(None, 5432)]),
        ("postgresql:///app", [(None, 5432)]),
        ("postgresql://me@/app", [(None, 5432)]),
        ("postgresql://me@:6432/app", [(None, 6432)]),
        ("postgresql://host", [("host", 5432)]),
        ("postgresql://192.0.2.7:6432/app", [("192.0.2.7", 6432)]),
        ("postgresql://[::1]/app", [("::1", 5432)]),
        ("postgresql://[2001:db8::7]:6432/app", [("2001:db8::7", 6432)]),
        ("postgresql://[fe80::1%25eth0]/app", [("fe80::1%eth0", 5432)]),
        ("postgresql://h1:1,h2:2/app", [("h1", 1), ("h2", 2)]),
        ("postgresql://h1,[::1]:2,h3/app", [("h1", 5432), ("::1", 2), ("h3", 5432)]),
        ("postgresql://h1,h2/app?port=6432", [("h1", 6432), ("h2", 6432)]),
        ("postgresql://h1,h2/app?port=1,2", [("h1", 1), ("h2", 2)]),
        ("postgresql:///app?host=h1,h2&port=1,2", [("h1", 1), ("h2", 2)]),
        ("postgresql:///app?host=h1:1,::1,[::2]:2", [("h1", 1), ("::1", 5432), ("::2", 2)]),
        ("postgresql://%2Ftmp%2Fs/app", [("/tmp/s", 5432)]),
        ("postgresql://me@%2Ftmp%2Fs:6432/app", [("/tmp/s", 6432)]),
        ("postgresql:///app?host=/tmp/a%20b:c", [("/tmp/a b:c", 5432)]),
        ("postgresql:///app?host=/tmp,h2&port=1,2", [("/tmp", 1), ("h2", 2)]),
    ],
)
def test_every_way_to_write_the_servers(text: str, addresses: list[tuple[str | None, int]]) -> None:
    dsn = read(text)
    assert [(address.host, address.port) for address in dsn.addresses] == addresses
    assert read(dsn.url()) == dsn


def test_user_password_and_database_may_stand_in_the_query() -> None:
    dsn = read("postgresql://host?user=me@corp&password=a@b%26c&dbname=app")
    assert (dsn.user, dsn.password, dsn.database) == ("me@corp", "a@b&c", "app")
    assert read("postgresql://localhost/db?user=me@neon").user == "me@neon"
    assert read("postgresql://localhost:5432/db?user=me@neon").user == "me@neon"


def test_a_plus_is_a_plus_and_an_escape_is_undone_once() -> None:
    dsn = read("postgresql://a+b:c%2520d@host/e+f")
    assert (dsn.user, dsn.password, dsn.database) == ("a+b", "c%20d", "e+f")


def test_parameters_that_change_nothing_are_dropped() -> None:
    assert read(
        "postgresql://host/app?channel_binding=require&connect_timeout=10&keepalives=1"
        "&keepalives_idle=5&tcp_user_timeout=9&gssencmode=disable&krbsrvname=x&gsslib=gssapi"
        "&client_encoding=utf8&load_balance_hosts=random&sslcompression=0&sslsni=1"
        "&connection_limit=5&pool_timeout=0&"
    ) == read("postgresql://host/app")


def test_parameters_that_count_arrive() -> None:
    dsn = read(
        "postgresql://host/app?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem"
        "&sslpassword=pw&sslnegotiation=direct&target_session_attrs=read-write&passfile=/p"
        "&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.3&application_name=job"
    )
    assert dsn == Dsn(
        addresses=(Address("host", 5432),),
        user=None,
        password=None,
        database="app",
        sslmode=SslMode.VERIFY_FULL,
        sslrootcert="/ca.pem",
        sslcert="/c.pem",
        sslkey="/k.pem",
        sslpassword="pw",
        ssl_min_protocol_version="TLSv1.3",
        ssl_max_protocol_version="TLSv1.3",
        direct_tls=True,
        target_session_attrs="read-write",
        passfile="/p",
        server_settings=(("application_name", "job"),),
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"application_name": "dbctl"}),
        ("application_name=job", {"application_name": "job"}),
        ("fallback_application_name=job", {"application_name": "job"}),
        ("fallback_application_name=a&application_name=b", {"application_name": "b"}),
        ("options=-capplication_name%3Djob", {"application_name": "job"}),
        ("options=endpoint%3Dep-cool-1", {"application_name": "dbctl"}),
        (
            "options=endpoint%3Dep-cool-1%20-c%20search_path%3Da,b%20--lock-timeout%3D5s",
            {"search_path": "a,b", "lock_timeout": "5s", "application_name": "dbctl"},
        ),
        (r"options=-c%20a.b%3Dx\%20y\\z", {"a.b": r"x y\z", "application_name": "dbctl"}),
        ("options=-c%20client_encoding%3Dlatin1", {"application_name": "dbctl"}),
    ],
)
def test_server_settings_come_from_options_and_names(query: str, expected: dict[str, str]) -> None:
    dsn = read(f"postgresql://host/app?{query}")
    assert dict(dsn.server_settings) == expected
    assert read(dsn.url()) == dsn


# --- the TLS default ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("postgresql://", SslMode.PREFER),
        ("postgresql://localhost/app", SslMode.PREFER),
        ("postgresql://LOCALHOST/app", SslMode.PREFER),
        ("postgresql://127.0.0.1/app", SslMode.PREFER),
        ("postgresql://127.8.8.8/app", SslMode.PREFER),
        ("postgresql://[::1]/app", SslMode.PREFER),
        ("postgresql://[0:0:0:0:0:0:0:1]/app", SslMode.PREFER),
        ("postgresql:///app?host=/tmp", SslMode.PREFER),
        ("postgresql://localhost,%2Ftmp/app", SslMode.PREFER),
        ("postgresql://db.example.com/app", SslMode.REQUIRE),
        ("postgresql://localhost.example.com/app", SslMode.REQUIRE),
        ("postgresql://127.0.0.1.example.com/app", SslMode.REQUIRE),
        ("postgresql://127.999.0.1/app", SslMode.REQUIRE),
        ("postgresql://127.0.0.\u0661/app", SslMode.REQUIRE),
        ("postgresql://10.0.0.1/app", SslMode.REQUIRE),
        ("postgresql://[2001:db8::1]/app", SslMode.REQUIRE),
        ("postgresql://localhost,db.example.com/app", SslMode.REQUIRE),
        ("postgresql://localhost/app?sslnegotiation=direct", SslMode.REQUIRE),
        ("postgresql://localhost/app?sslrootcert=system", SslMode.VERIFY_FULL),
        ("postgresql://db.example.com/app?sslmode=disable", SslMode.DISABLE),
        ("postgresql://db.example.com/app?ssl=verify-ca", SslMode.VERIFY_CA),
        ("postgresql://localhost/app?ssl=true", SslMode.REQUIRE),
        ("postgresql://db.example.com/app?ssl=false", SslMode.DISABLE),
    ],
)
def test_tls_is_required_off_loopback_unless_the_url_says_otherwise(
    text: str, mode: SslMode
) -> None:
    dsn = read(text)
    assert dsn.sslmode is mode
    assert read(dsn.url()) == dsn


def test_a_remote_pghost_requires_tls() -> None:
    dsn = read("postgresql:///app", {"PGHOST": "db.example.com,h2", "PGPORT": "6432"})
    assert dsn.addresses == (Address("db.example.com", 6432), Address("h2", 6432))
    assert dsn.sslmode is SslMode.REQUIRE


def test_the_url_goes_before_the_environment() -> None:
    environ = {
        "PGHOST": "other",
        "PGPORT": "1",
        "PGUSER": "other",
        "PGDATABASE": "other",
        "PGSSLMODE": "disable",
        "PGAPPNAME": "other",
    }
    text = "postgresql://me@host:5432/app?ssl=require&application_name=mine"
    assert read(text, environ) == read(text)


def test_the_environment_fills_what_the_url_leaves_open() -> None:
    environ = {
        "PGPORT": "6432",
        "PGUSER": "me",
        "PGDATABASE": "app",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "primary",
        "PGAPPNAME": "job",
        "PGPASSWORD": "pw",
    }
    assert read("postgresql://host", environ) == read(
        "postgresql://me@host:6432/app"
        "?sslmode=verify-full&target_session_attrs=primary&application_name=job"
    )


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.com")
    monkeypatch.setenv("PGPORT", "6432")
    assert parse("postgresql:///app").label == "db.example.com:6432/app"


def test_an_error_in_the_environment_names_the_variable() -> None:
    error = refusal("postgresql://host/app", {"PGPORT": "ЖЖЖ"})
    assert str(error).startswith("PGPORT: a port is not a valid number")
    assert "Ж" not in str(error)
    assert str(refusal("postgresql://h/d", {"PGSSLMODE": "x"})).startswith("PGSSLMODE: sslmode ")


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("userinfo", "char", "escape"),
    [
        ("me:p/w", "'/'", "%2F"),
        ("me:12/w", "'/'", "%2F"),
        ("me:/", "'/'", "%2F"),
        ("m/e:pw", "'/'", "%2F"),
        ("me:p?w", "'?'", "%3F"),
        ("me:12?user=w", "'?'", "%3F"),
        ("me:12?secret=w", "'?'", "%3F"),
        ("me:p#w", "'#'", "%23"),
        ("me:12/app?user=a#b", "'/'", "%2F"),
        ("me:p@w", "'@'", "%40"),
        ("me:p@w/x", "'@'", "%40"),
        ("me:p@w?user=x", "'@'", "%40"),
        ("me:p[w", "'['", "%5B"),
        ("me:p]w", "']'", "%5D"),
        ("me:p w", "' '", "%20"),
        ("me:p\tw", "U+0009", "%09"),
        ("me:p\xa0w", "U+00A0", "%C2%A0"),
        ("me:p\u200bw", "U+200B", "%E2%80%8B"),
        ("me:p%w", "'%'", "%25"),
        ("me:p%4", "'%'", "%25"),
    ],
)
def test_an_unescaped_character_is_named_with_its_escape(
    userinfo: str, char: str, escape: str
) -> None:
    tail = "@db.example.com/app" if "user=" not in userinfo else "@db.example.com/app#@"
    error = refusal(f"postgresql://{userinfo}{tail}")
    assert str(error).startswith(
        f"DATABASE_URL: {char} is not escaped in the user name or password"
    )
    assert error.hint == f"There, {char} is written {escape}."
    assert error.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the connection string is empty"),
        ("''", "the connection string is empty"),
        ("mysql://me:pw@host/app", "the connection string is not a PostgreSQL URL"),
        ("sqlite:///app.db", "the connection string is not a PostgreSQL URL"),
        ("https://host/app", "the connection string is not a PostgreSQL URL"),
        ("postgresql:host", "the connection string is not a PostgreSQL URL"),
        ("'postgresql://host", "the connection string is not a PostgreSQL URL"),
        ("host=h password=pw", "libpq's key=value form is not supported, only a URL is"),
        ("dbname = app", "libpq's key=value form is not supported, only a URL is"),
        ("postgresql://:/app", "a port is not a valid number"),
        ("postgresql://host:0/app", "a port is not a valid number"),
        ("postgresql://host:65536/app", "a port is not a valid number"),
        ("postgresql://host:٣/app", "a port is not a valid number"),
        ("postgresql://me:pw/app", "a port is not a valid number"),
        ("postgresql://host/app?port=-1", "a port is not a valid number"),
        ("postgresql://h1,h2,h3/app?port=1,2", "port has another number of entries"),
        ("postgresql://host/app?port=1,2", "port has another number of entries"),
        ("postgresql://h1,,h2/app", "host is not a host name"),
        ("postgresql://[::1/app", "host is not a host name"),
        ("postgresql://[host]/app", "host is not a host name"),
        ("postgresql://[]/app", "host is not a host name"),
        ("postgresql://a%40b/app", "host is not a host name"),
        ("postgresql://a%20b/app", "host is not a host name"),
        ("postgresql://a%2Cb/app", "host is not a host name"),
        ("postgresql://host/a%00b", "%00 is a character that PostgreSQL cannot take"),
        ("postgresql://me:p%FFw@host/app", "an escape is not valid UTF-8"),
        ("postgresql://me:p\udcffw@host/app", "the user name or password, which end"),
        ("postgresql://host/app/", "'/' is not escaped in the database name"),
        ("postgresql://host/app#x", "'#' is not escaped in the part after the password"),
        ("postgresql://host/app x", "' ' is not escaped in the part after the password"),
        ("postgresql://host/app?sslmode", "a parameter has no value"),
        ("postgresql://host/app?password=a&b", "'&' is not escaped in password="),
        ("postgresql://host/app?password=a&b=c", "'&' is not escaped in password="),
        ("postgresql://host/app?sslmode=require&sslmode=require", "sslmode is given twice"),
        ("postgresql://host/app?sslmode=require&ssl=require", "sslmode is given twice"),
        ("postgresql://me@host/app?user=me", "user is given twice"),
        ("postgresql://me:pw@host/app?password=pw", "password is given twice"),
        ("postgresql://host/app?dbname=app", "dbname is given twice"),
        ("postgresql://host/app?host=/tmp", "host is given twice"),
        ("postgresql://host:1/app?port=1", "port is given twice"),
        ("postgresql://:1/app?port=1", "port is given twice"),
        ("postgresql://host/app?sslmode=no", "sslmode has a value that it does not take"),
        ("postgresql://host/app?sslmode=true", "sslmode has a value that it does not take"),
        ("postgresql://host/app?ssl=maybe", "ssl has a value that it does not take"),
        ("postgresql://host/app?sslnegotiation=no", "sslnegotiation has a value"),
        ("postgresql://host/app?target_session_attrs=no", "target_session_attrs has a value"),
        ("postgresql://host/app?ssl_min_protocol_version=3", "ssl_min_protocol_version has a"),
        ("postgresql://host/app?pgbouncer=2", "pgbouncer has no value that it takes"),
        ("postgresql://host/app?statement_cache_size=x", "statement_cache_size is not a whole"),
        ("postgresql://host/app?sslrootcert=system&sslmode=verify-ca", "sslmode is too weak for"),
        ("postgresql://host/app?sslnegotiation=direct&sslmode=prefer", "sslmode is too weak for"),
        ("postgresql://host/app?options=-B%20100", "options holds -B,"),
        ("postgresql://host/app?options=-c", "options holds -c,"),
        ("postgresql://host/app?options=--name", "options holds --name,"),
        ("postgresql://host/app?options=name%3Dvalue", "options holds a word that is no option,"),
        ("postgresql://host/app?options=-cuser%3Dme", "options holds -c,"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason_and_a_way_out(
    text: str, message: str
) -> None:
    error = refusal(text)
    assert str(error).startswith(f"DATABASE_URL: {message}")
    assert error.hint
    assert error.code is ErrorCode.DSN_INVALID
    assert error.exit_code is ExitCode.USAGE
    # A swallowed UnicodeDecodeError, for one, would carry the whole text along.
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("sslmod=require", "unknown parameter 'sslmod'", "Did you mean 'sslmode'?"),
        ("schema=public", "unknown parameter 'schema'", "options=-csearch_path%3Dx"),
        ("jit=off&foo=1", "unknown parameters 'jit', 'foo'", "options=-cname%3Dvalue"),
        ("service=x", "unknown parameter 'service'", "leave it out"),
        ("a%1Bb=1", "unknown parameter 'a?1Bb'", "Leave it out"),
    ],
)
def test_unknown_parameters_are_refused_by_name(query: str, message: str, hint: str) -> None:
    error = refusal(f"postgresql://host/app?sslmode=require&{query}")
    assert str(error) == f"DATABASE_URL: {message}"
    assert hint in (error.hint or "")


def test_an_error_names_the_setting_that_the_caller_read() -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL_UNPOOLED \(\.env\): "):
        parse("mysql://host", source="DATABASE_URL_UNPOOLED (.env)", environ={})


# --- what is written ------------------------------------------------------------------------------

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
hosts = st.one_of(
    st.none(),
    st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True),
    st.sampled_from(
        ["::1", "2001:db8::7", "192.0.2.7", "/tmp", "/run/a b:c@d?e", "bücher.example"]
    ),
)


@tidy
@given(
    hosts=st.lists(hosts, min_size=1, max_size=3),
    port=st.integers(1, 65535),
    user=st.none() | names,
    password=st.none() | passwords,
    database=st.none() | names,
    sslmode=st.sampled_from(SslMode),
    sslrootcert=st.none() | names.filter(lambda name: name != "system"),
    sslpassword=st.none() | names,
    application_name=names,
    search_path=names,
    pooled=st.booleans(),
)
def test_the_url_is_read_back_as_it_was(
    hosts: list[str | None],
    port: int,
    search_path: str,
    application_name: str,
    **fields: Any,
) -> None:
    assume(len(hosts) == 1 or None not in hosts)
    dsn = Dsn(
        addresses=tuple(Address(host, port) for host in hosts),
        server_settings=(("search_path", search_path), ("application_name", application_name)),
        **fields,
    )
    assert read(dsn.url()) == dsn


def test_the_label_is_short_and_shows_no_control_characters() -> None:
    assert read("postgresql://me:pw@[::1]:6432/app").label == "[::1]:6432/app"
    assert read("postgresql:///app?host=/tmp").label == "/tmp:5432/app"
    assert read("postgresql://h1,h2").label == "h1:5432,h2:5432"
    assert read("postgresql://host/a%1Bb%20c").label == "host:5432/a%1Bb c"


def test_the_redacted_url_keeps_what_helps_and_nothing_more() -> None:
    text = "postgresql://me:pw@host/app?sslmode=verify-full&sslrootcert=/ca.pem&passfile=/p"
    assert read(text).redacted() == (
        "postgresql://me:***@host:5432/app?sslmode=verify-full&sslrootcert=/ca.pem"
    )
    assert read("postgresql:///app?host=/tmp").redacted() == (
        "postgresql:///app?host=/tmp&port=5432"
    )


# --- what asyncpg gets ----------------------------------------------------------------------------


def test_asyncpg_gets_keywords_that_it_knows_and_no_text_to_parse() -> None:
    keywords = read("postgresql://me:pw@h1:1,[::1]:2/app?sslmode=disable").connect_kwargs()
    assert keywords == {
        "host": ["h1", "::1"],
        "port": [1, 2],
        "user": "me",
        "password": "pw",
        "database": "app",
        "passfile": None,
        "ssl": False,
        "direct_tls": False,
        "server_settings": {"application_name": "dbctl"},
        "target_session_attrs": "any",
    }
    assert set(keywords) <= set(inspect.signature(asyncpg.connect).parameters)


def test_a_port_that_is_left_out_after_its_colon_is_the_default() -> None:
    assert read("postgresql://host:/app") == read("postgresql://host/app")


def test_asyncpg_finds_nothing_but_a_password_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGUSER", "PGDATABASE", "PGTARGETSESSIONATTRS"):
        monkeypatch.setenv(name, "other")
    keywords = read("postgresql://host").connect_kwargs()
    assert keywords["user"] == keywords["database"] == getpass.getuser()
    left_open = {name for name, value in keywords.items() if value is None}
    assert left_open == {"password", "passfile"}


def test_without_a_host_asyncpg_gets_the_local_defaults_so_it_cannot_ask_pghost() -> None:
    keywords = read("postgresql://:6432/app").connect_kwargs()
    assert "localhost" in keywords["host"]
    assert set(keywords["port"]) == {6432}
    assert len(keywords["host"]) == len(keywords["port"])
    assert keywords["ssl"] == "prefer"


def test_reading_a_connection_string_loads_neither_tls_nor_a_driver() -> None:
    code = (
        "import sys; from dbctl.db.dsn import parse; parse('postgresql://me:pw@host/app');"
        "print(sorted({'ssl', 'asyncpg', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "[]\n"
