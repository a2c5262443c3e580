"""What all parts of a config have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """Common rules: frozen, no unknown keys, no silent conversions, no infinities."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def broken_rule(message: str, *keys: str) -> PydanticCustomError:
    """For validators: values that are right each alone, and the keys that they stand under."""
    return PydanticCustomError("rule", "{said}", {"said": message, "keys": keys})


def listed(value: Any) -> Any:
    """A tuple from a list or from one text."""
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


Names = Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=1)]
"""One text, or a list of texts."""
