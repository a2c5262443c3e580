"""What all parts of a config have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class SettingsModel(BaseModel):
    """Common rules: frozen, no unknown keys, no silent conversions, no infinities."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def constraint_error(message: str, *keys: str) -> PydanticCustomError:
    """For validators of several values, each of which is valid alone.

    keys: where they stand, relative to the model; the first that the config gives is blamed.
    """
    return PydanticCustomError("constraint", "{message}", {"message": message, "keys": keys})


def as_tuple(value: Any) -> Any:
    """A tuple from a list or from one text."""
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


StringList = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)]
"""One text, or a list of texts."""
