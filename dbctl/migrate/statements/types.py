"""The name of a type as a statement has it, and as the catalogue has it."""

from dataclasses import dataclass

from dbctl.sqltokens import Kind, TokenReader

# Source: PostgreSQL docs, Data Types, "Aliases"; src/backend/parser/gram.y, SimpleTypename.
_ALIASES = {
    "int": "int4",
    "integer": "int4",
    "smallint": "int2",
    "bigint": "int8",
    "decimal": "numeric",
    "dec": "numeric",
    "real": "float4",
    "float": "float8",
    "boolean": "bool",
    "character": "bpchar",
    "char": "bpchar",
    "nchar": "bpchar",
    "serial": "int4",
    "serial2": "int2",
    "serial4": "int4",
    "serial8": "int8",
    "smallserial": "int2",
    "bigserial": "int8",
}
# Without a length these have one of 1.
_OF_LENGTH_1 = ("char", "character", "nchar", "bit")


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type: its schema, None for the search_path, its name in pg_type, and its modifiers."""

    schema: str | None
    name: str
    modifiers: tuple[str, ...] = ()
    is_array: bool = False


def read_type(reader: TokenReader) -> TypeName | None:
    """Return the type that comes next, None where there is none; step over it."""
    reader.accept("setof")
    reader.accept("national")
    quoted = (token := reader.peek()) is not None and token.kind is Kind.QUOTED
    parts = reader.name_parts()
    if not parts:
        return None
    *schemas, name = parts
    schema, word = (schemas[-1] if schemas else None), name
    varying = not schemas and reader.accept("varying")
    if not schemas and name == "double":
        reader.accept("precision")
    modifiers = _modifiers(reader)
    if not (schemas or quoted):
        name = _catalogue_name(reader, name, modifiers, varying=varying)
        if not modifiers and word in _OF_LENGTH_1 and not varying:
            modifiers = ("1",)
    is_array = reader.accept("array")
    while reader.at("["):
        is_array = True
        reader.skip_group()
    if word == "float":
        modifiers = ()
    return TypeName(schema, name, modifiers, is_array)


def _catalogue_name(
    reader: TokenReader, name: str, modifiers: tuple[str, ...], *, varying: bool
) -> str:
    match name:
        case "character" | "char" | "nchar" | "varchar":
            return "varchar" if varying or name == "varchar" else "bpchar"
        case "bit":
            return "varbit" if varying else "bit"
        case "double":
            return "float8"
        case "float":
            short = modifiers and modifiers[0].isdigit() and int(modifiers[0]) <= 24
            return "float4" if short else "float8"
        case "time" | "timestamp":
            zoned = reader.accept("with", "time", "zone")
            reader.accept("without", "time", "zone")
            return f"{name}tz" if zoned else name
    return _ALIASES.get(name, name)


def _modifiers(reader: TokenReader) -> tuple[str, ...]:
    if not reader.at("("):
        return ()
    parts = TokenReader(reader.group()).split()
    return tuple("".join(token.text for token in part.tokens) for part in parts)
