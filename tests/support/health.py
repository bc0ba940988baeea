"""Read what `dbctl health --json` prints, which has to fit the schema that ships with it."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from dbctl.health.document import schema


@cache
def _validator() -> Draft202012Validator:
    shipped = json.loads(schema())
    Draft202012Validator.check_schema(shipped)
    return Draft202012Validator(shipped)


def validate(document: object) -> None:
    """Raise jsonschema's ValidationError where a document does not fit the schema."""
    _validator().validate(document)


def is_health(document: object) -> bool:
    """Tell whether a document is one of `dbctl health`, not an error alone."""
    return isinstance(document, Mapping) and {"serviceId", "checks"} <= document.keys()


def checks_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checks of a document by their names, without what they measure."""
    return {key.partition(":")[0]: check for key, (check,) in document["checks"].items()}


def statuses_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the status of each check by its name."""
    return {name: check["status"] for name, check in checks_of(document).items()}
