"""What the results of this room are made of."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a result."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, serialize_by_alias=True)
