"""The command `dbctl inspect diagram`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode, UsageError
from dbctl.inspect.completion import candidates
from dbctl.output import Output, chosen_output, delivered, emit
from dbctl.streams import data_file, data_stream

if TYPE_CHECKING:
    from dbctl.inspect.diagram.schema import Schema
    from dbctl.settings import Settings


class Form(StrEnum):
    """What a diagram is printed as."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    PNG = "png"
    JSON = "json"

    @classmethod
    def of(cls, file: Path | None) -> "Form":
        """Return the form that the name of a file asks for, Mermaid where it asks for none."""
        suffix = file.suffix.lower() if file else ""
        return {".dot": cls.DOT, ".gv": cls.DOT, ".svg": cls.SVG, ".png": cls.PNG}.get(
            suffix, cls.MERMAID
        )


def diagram(
    settings: "Settings",
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Only these tables; all without.",
            show_default=False,
            autocompletion=candidates.tables,
        ),
    ] = None,
    format_: Annotated[
        Form | None,
        typer.Option("--format", help="svg and png need Graphviz.", show_default="mermaid"),
    ] = None,
    models: Annotated[
        bool, typer.Option("--models", help="Draw the project's models, not the database.")
    ] = False,
    schema: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only tables of this schema; may be repeated."),
    ] = None,
    neighbours: Annotated[
        bool,
        typer.Option(
            "--neighbours", help="Also the tables that these refer to, or are referred by."
        ),
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Exit 1, with the difference, where this file is not what would be printed: "
            "Mermaid, dot, or Markdown with a block of Mermaid.",
            show_default=False,
        ),
    ] = None,
) -> ExitCode:
    """Draw the tables and the relationships between them."""
    from dbctl.inspect.diagram import views
    from dbctl.inspect.diagram.checking import check as compare
    from dbctl.inspect.diagram.dot import dot
    from dbctl.inspect.diagram.graphviz import picture
    from dbctl.inspect.diagram.mermaid import mermaid
    from dbctl.inspect.diagram.schema import draw

    form = format_ or Form.of(check or data_file())
    if check and form in {Form.SVG, Form.PNG, Form.JSON}:
        raise UsageError(
            f"--check takes no {form}",
            hint="Pictures differ from one version of Graphviz to the next: check Mermaid or dot.",
        )
    if form in {Form.SVG, Form.PNG} and data_stream().isatty():
        raise UsageError(
            f"{form} is nothing that a terminal shows",
            hint=f"Add --output schema.{form}, or send it through a pipe.",
        )
    found = _models(settings) if models else _database(settings)
    drawn = draw(found, names=names or (), schemas=schema or (), neighbours=neighbours)
    write = dot if form is Form.DOT else mermaid
    if check:
        return emit(compare(check, write(drawn)), views.check)
    if form not in {Form.SVG, Form.PNG} or chosen_output.get() is Output.JSON:
        return emit(drawn, views.drawing(write))
    drawing = picture(dot(drawn), "svg" if form is Form.SVG else "png")
    with delivered():
        data_stream().buffer.write(drawing)
    return drawn.exit_code


def _models(settings: "Settings") -> "Schema":
    from dbctl.inspect.diagram.models import model_schema
    from dbctl.migrate.project_models import project_models

    return model_schema(project_models(settings).tables)


def _database(settings: "Settings") -> "Schema":
    from dbctl.inspect.connected import read
    from dbctl.inspect.diagram.live import read_schema

    return read(settings, read_schema)
