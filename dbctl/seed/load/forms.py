"""What a file of rows may be written in."""

from enum import StrEnum


class Form(StrEnum):
    """The formats that files are read in."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
