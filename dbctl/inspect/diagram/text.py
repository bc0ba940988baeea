"""What every drawing does with names: nothing in them may be obeyed, by a terminal or a viewer."""

# Persian, Hindi and emoji are written with them, and nothing else changes how it shows.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""Replace what shows nothing, or changes how the rest shows, by escapes such as `\u202e`."""
    return "".join(
        char
        if char.isprintable() or char in _JOINERS
        else f"\\u{ord(char):04x}"
        if ord(char) <= 0xFFFF
        else f"\\U{ord(char):08x}"
        for char in text
    )
