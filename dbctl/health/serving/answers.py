"""What is told of a look over HTTP: the statuses to everybody, the whole to who may know."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbctl.errors import DbctlError
from dbctl.health.document import health_document
from dbctl.health.results import HealthReport, Status, overall

# What an instance that serves must have: a connection, and the schema that its code expects.
NEEDED = ("connection", "migrations")

_OK, _UNAVAILABLE = 200, 503


@dataclass(frozen=True, slots=True)
class Answer:
    """The status code and the body of an answer in `MEDIA_TYPE`."""

    status_code: int
    body: bytes

    @classmethod
    def of(cls, status: str, document: Mapping[str, object]) -> "Answer":
        """Make the answer of a document: what fails is unavailable, whatever else it says."""
        code = _UNAVAILABLE if status == Status.FAIL else _OK
        return cls(code, json.dumps(document, ensure_ascii=False).encode())


class Answers:
    """The answers that one look gives, each made once however many ask."""

    def __init__(self, seen: HealthReport | DbctlError) -> None:
        self.seen = seen

    @cached_property
    def public(self) -> Answer:
        """The verdict and the status of each check; no name, address, version or figure."""
        return self._answer(None)

    @cached_property
    def ready(self) -> Answer:
        """The same, of the checks without which nothing can be served."""
        return self._answer(NEEDED)

    @cached_property
    def whole(self) -> Answer:
        """All that was found: for who showed the token."""
        return Answer.of(self._status(None), self._document)

    def _answer(self, names: Collection[str] | None) -> Answer:
        status = self._status(names)
        told: dict[str, object] = {"status": status}
        if (reason := self._reason()) is not None:
            told["output"] = reason
        checks: Mapping[str, list[Mapping[str, Any]]] = self._document.get("checks", {})
        told["checks"] = {
            key: [{"status": each["status"]} for each in found]
            for key, found in checks.items()
            if names is None or key.partition(":")[0] in names
        }
        return Answer.of(status, told)

    def _status(self, names: Collection[str] | None) -> str:
        if isinstance(self.seen, DbctlError):
            return Status.FAIL
        if names is None:
            return self.seen.status
        return overall(check for check in self.seen.checks if check.name in names)

    def _reason(self) -> str | None:
        if isinstance(self.seen, DbctlError):
            return "the database could not be looked at"
        return "there is no connection to the database" if self.seen.error else None

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        if isinstance(self.seen, HealthReport):
            return health_document(self.seen).root
        error = self.seen
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        return {"status": Status.FAIL, "error": body}


ALIVE = Answer.of(Status.PASS, {"status": Status.PASS})
