"""The built-in types and functions of PostgreSQL that an assessment has to tell apart."""

from collections.abc import Sequence

from dbctl.migrate.statements.levels import Work
from dbctl.sqltokens import Kind, Token, words

# By first word. Any other type may be a domain, whose constraints mean a look at every row; those
# at the end belong to extensions that everybody has.
BUILTIN_TYPES = words(
    """
    smallint integer int bigint int2 int4 int8 decimal numeric dec real float float4 float8 double
    money boolean bool bit varbit character char varchar nchar national text bpchar name bytea uuid
    oid date time timetz timestamp timestamptz interval json jsonb jsonpath xml inet cidr macaddr
    macaddr8 point line lseg box path polygon circle tsvector tsquery pg_lsn regclass int4range
    int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange
    tsmultirange tstzmultirange datemultirange citext hstore ltree
    """
)
SERIAL_TYPES = words("smallserial serial bigserial serial2 serial4 serial8")

_VOLATILE = words(
    """
    random random_normal gen_random_uuid gen_random_bytes uuidv4 uuidv7 uuid_generate_v1
    uuid_generate_v1mc uuid_generate_v4 clock_timestamp timeofday nextval currval lastval setval
    """
)
_STEADY = words(
    """
    now statement_timestamp transaction_timestamp current_timestamp current_time localtimestamp
    localtime timezone current_setting age date_part date_trunc extract make_date make_interval
    make_time make_timestamp make_timestamptz to_char to_date to_number to_timestamp coalesce nullif
    greatest least array row cast lower upper initcap length char_length substring substr left right
    replace translate trim btrim ltrim rtrim lpad rpad position strpos split_part concat concat_ws
    repeat reverse format md5 sha256 encode decode chr ascii abs ceil ceiling floor round trunc mod
    power sqrt exp ln log sign to_json to_jsonb json_build_object json_build_array
    jsonb_build_object jsonb_build_array to_tsvector to_tsquery setweight array_append array_cat
    array_fill array_length array_position array_to_string string_to_array cardinality
    """
)
_OF_QUERIES = words(
    """
    count sum min max avg every bool_and bool_or bit_and bit_or array_agg string_agg json_agg
    jsonb_agg json_object_agg jsonb_object_agg row_number rank dense_rank lag lead first_value
    last_value generate_series unnest exists in any some all values over filter group sets using by
    and or not on as where having when then else case select from union except intersect returning
    set_config
    """
)
_OWN = _STEADY | _VOLATILE | _OF_QUERIES | BUILTIN_TYPES


def foreign_call(tokens: Sequence[Token], bracket: int) -> str | None:
    """Return the function called at a bracket, None if that is PostgreSQL's own or no call."""
    function, built_in = _called(tokens, bracket)
    own = built_in and (function in _OWN or function.startswith("pg_"))
    return None if own else function or None


def work_of_default(tokens: Sequence[Token]) -> Work:
    """Return what a column's DEFAULT costs: a rewrite where each row gets a value of its own.

    Source: PostgreSQL docs, ALTER TABLE, Notes, and Function Volatility Categories.
    """
    if any(function in _VOLATILE for function, _ in _calls(tokens)):
        return Work.REWRITE
    return Work.MAYBE_REWRITE if unknown_functions(tokens) else Work.NONE


def unknown_functions(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return the names of the functions in a DEFAULT whose volatility the text does not say."""
    return tuple(
        function
        for function, built_in in _calls(tokens)
        if function and not (built_in and function in _STEADY | BUILTIN_TYPES)
    )


def _calls(tokens: Sequence[Token]) -> list[tuple[str, bool]]:
    places = [place for place, token in enumerate(tokens) if token == (Kind.SYMBOL, "(")]
    return [_called(tokens, place) for place in places]


def _called(tokens: Sequence[Token], bracket: int) -> tuple[str, bool]:
    """Return the name before a bracket, "" if none, and whether it can be PostgreSQL's own."""
    before = [*reversed(tokens[max(0, bracket - 3) : bracket])]
    if not before or before[0].kind not in (Kind.WORD, Kind.QUOTED):
        return "", True
    place = before[1].text if len(before) > 1 else ""
    if place in ("as", ")", "tablesample"):  # an alias with its columns, or a method
        return "", True
    return before[0].text, place != "." or before[-1].text == "pg_catalog"
