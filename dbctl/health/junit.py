"""A report as JUnit's XML, in which the CI systems show test cases."""

import re
from collections import Counter
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dbctl.health.results import CheckResult, HealthReport, Status
from dbctl.health.wording import evidence_lines

# What XML 1.0 has no way to write.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: HealthReport) -> str:
    """Return a test suite with a case for each check.

    What makes a finding is a failure, what could not be looked at is skipped, and a warning that is
    none of them tells itself in the output of its case.
    """
    kinds = [_kind(check, report) for check in report.checks]
    count = Counter(kinds)
    numbers = {
        "tests": str(len(kinds)),
        "failures": str(count["failure"]),
        "errors": "0",
        "skipped": str(count["skipped"]),
    }
    root = Element("testsuites", {"name": "dbctl health", **numbers})
    suite = SubElement(
        root,
        "testsuite",
        {
            "name": _text(report.database),
            "timestamp": f"{report.time:%Y-%m-%dT%H:%M:%S}",
            "time": "0",
            **numbers,
        },
    )
    for check, kind in zip(report.checks, kinds, strict=True):
        case = SubElement(
            suite, "testcase", {"classname": "dbctl.health", "name": check.name, "time": "0"}
        )
        if kind == "system-out":
            SubElement(case, kind).text = _text(_told(check))
        else:
            attributes = {"message": _text(check.summary)}
            if kind == "failure":
                attributes["type"] = check.status.value
            SubElement(case, kind, attributes).text = _text(_told(check))
    indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{tostring(root, encoding='unicode')}\n"


def _kind(check: CheckResult, report: HealthReport) -> str:
    if check.status is Status.FAIL or (report.strict and check.status is not Status.PASS):
        return "failure"
    return "skipped" if check.status is Status.UNKNOWN else "system-out"


def _told(check: CheckResult) -> str:
    """Return all that is said of a check."""
    lines = [f"{check.status.value}: {check.summary}", *evidence_lines(check, len(check.evidence))]
    if check.remedy:
        lines.append(f"remedy: {check.remedy}")
    return "\n".join(lines)


def _text(text: str) -> str:
    return _NO_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
