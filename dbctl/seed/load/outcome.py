"""What a run has come to, and the result that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbctl.errors import ErrorCode, OperationFailed
from dbctl.results import ErrorBody
from dbctl.seed.bulk.writer import Finished
from dbctl.seed.load.faults import Fault, Faults, shown
from dbctl.seed.load.intake import Intake
from dbctl.seed.load.rejects import RejectFile
from dbctl.seed.load.request import Request
from dbctl.seed.load.results import LoadedFile, LoadResult, MappedField, RowFault
from dbctl.seed.load.staging import Counts
from dbctl.seed.load.stream import Stream


@dataclass(slots=True)
class Outcome:
    """The outcome of a run as it comes about; `failed` tells that faults kept it from writing."""

    database: str
    request: Request
    intake: Intake
    is_plan: bool = False
    failed: bool = False
    stream: Stream | None = None
    counts: Counts = field(default_factory=Counts)
    finished: Finished | None = None
    rejects: RejectFile | None = None

    def result(self, seconds: float) -> LoadResult:
        """Return the result; `seconds` is how long the run took."""
        assert self.stream is not None  # noqa: S101 - rows were read
        faults, counts = self.stream.faults, Counts() if self.failed else self.counts
        rejected = self.rejects.rows if self.rejects is not None and not self.failed else 0
        return LoadResult(
            table=self.intake.table.label,
            database=self.database,
            plan=self.is_plan,
            files=tuple(
                LoadedFile(name=file.label, form=file.source.form, rows=rows)
                for file, rows in zip(self.intake.files, self.stream.rows, strict=True)
            ),
            mapping=tuple(
                MappedField(field=name, column=column)
                for name, column in self.intake.fields.items()
            ),
            rows=sum(self.stream.rows),
            inserted=counts.inserted,
            updated=counts.updated,
            unchanged=counts.unchanged,
            skipped=counts.skipped,
            superseded=counts.superseded,
            rejected=rejected,
            reject_file=str(self.rejects.path) if self.rejects is not None and rejected else None,
            fault_count=faults.count,
            all_faults_counted=faults.are_all,
            faults=tuple(_told(fault) for fault in faults.first),
            sequences=tuple(
                f"{moved.sequence} = {moved.value}"
                for moved in (self.finished.sequences if self.finished else ())
            ),
            notices=(*self._notices(), *(self.finished.notices if self.finished else ())),
            seconds=seconds,
            error=ErrorBody.of(self._error(faults)) if self.failed else None,
        )

    def _notices(self) -> list[str]:
        """Say what was read in another way than may have been meant."""
        assert self.stream is not None  # noqa: S101 - rows were read
        if not (quoted := self.stream.quoted_nulls):
            return []
        fields = "1 field has" if quoted == 1 else f"{quoted:,} fields have"
        return [
            f"{fields} {shown(self.request.null)} in quotes, which is text and not null; "
            "--force-null takes it for null as well."
        ]

    def _error(self, faults: Faults) -> OperationFailed:
        first = faults.first[0]
        label = self.intake.table.label
        more = f", and {faults.count - 1:,} more" if faults.count > 1 else ""
        least = "" if faults.are_all else "at least "
        nothing = "" if self.is_plan else "Nothing was loaded. "
        return OperationFailed(
            f"{least}{faults.rows:,} rows cannot be loaded into {label}: {first.sentence}{more}"
            if faults.rows > 1
            else f"a row cannot be loaded into {label}: {first.sentence}",
            hint=f"{nothing}Mend the files, or give --reject FILE to have such rows written "
            "there and the others loaded.",
            code=ErrorCode.ROWS_INVALID,
        )


def _told(fault: Fault) -> RowFault:
    return RowFault(
        file=fault.file,
        row=fault.row,
        line=fault.line,
        column=fault.column,
        value=fault.value,
        reason=fault.reason,
    )
