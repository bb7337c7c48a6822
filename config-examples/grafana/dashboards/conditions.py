"""Conditions over the ECS events, and what they are in the query languages of the stores.

Each condition is written once, so that the dashboards of Elasticsearch and of Loki choose the same events.
"""

import re
from dataclasses import dataclass
from typing import Protocol


class Condition(Protocol):
    def lucene(self) -> str:
        """As a query of Elasticsearch."""
        ...

    def logql(self, negated: bool = False) -> str:
        """As a filter of labels of Loki, which has no `not`: a condition has to say its own opposite."""
        ...


def label(field: str) -> str:
    """What Loki's `json` makes of the name of a field."""
    return re.sub(r"\W", "_", field)


def _lucene_value(value: str) -> str:
    return value if re.fullmatch(r"\w+", value) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Is:
    """The field has one of the values."""

    field: str
    values: tuple[str, ...]

    def __init__(self, field: str, *values: str) -> None:
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "values", values)

    def lucene(self) -> str:
        values = [_lucene_value(value) for value in self.values]
        return f"{self.field}:{values[0]}" if len(values) == 1 else f"{self.field}:({' OR '.join(values)})"

    def logql(self, negated: bool = False) -> str:
        if len(self.values) == 1:
            return f"{label(self.field)}{'!=' if negated else '='}`{self.values[0]}`"
        values = "|".join(re.escape(value) for value in self.values)
        return f"{label(self.field)}{'!~' if negated else '=~'}`{values}`"


@dataclass(frozen=True)
class Like:
    """The field has a value of this form, in which `*` stands for anything."""

    field: str
    pattern: str

    def lucene(self) -> str:
        return f"{self.field}:{self.pattern}"

    def logql(self, negated: bool = False) -> str:
        pattern = ".*".join(re.escape(part) for part in self.pattern.split("*"))
        return f"{label(self.field)}{'!~' if negated else '=~'}`{pattern}`"


@dataclass(frozen=True)
class Has:
    """The field has a value."""

    field: str

    def lucene(self) -> str:
        return f"_exists_:{self.field}"

    def logql(self, negated: bool = False) -> str:
        return f"{label(self.field)}{'=' if negated else '!='}``"


@dataclass(frozen=True)
class All:
    """Every part is true."""

    parts: tuple[Condition, ...]

    def __init__(self, *parts: Condition) -> None:
        object.__setattr__(self, "parts", parts)

    def lucene(self) -> str:
        return "(" + " AND ".join(part.lucene() for part in self.parts) + ")"

    def logql(self, negated: bool = False) -> str:
        word = " or " if negated else " and "
        return "(" + word.join(part.logql(negated) for part in self.parts) + ")"


@dataclass(frozen=True)
class Any:
    """At least one part is true."""

    parts: tuple[Condition, ...]

    def __init__(self, *parts: Condition) -> None:
        object.__setattr__(self, "parts", parts)

    def lucene(self) -> str:
        return "(" + " OR ".join(part.lucene() for part in self.parts) + ")"

    def logql(self, negated: bool = False) -> str:
        word = " and " if negated else " or "
        return "(" + word.join(part.logql(negated) for part in self.parts) + ")"


@dataclass(frozen=True)
class Not:
    """The part is false."""

    part: Condition

    def lucene(self) -> str:
        return f"(NOT {self.part.lucene()})"

    def logql(self, negated: bool = False) -> str:
        return self.part.logql(not negated)
