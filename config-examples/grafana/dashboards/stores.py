"""What a dashboard over events asks of the store that has them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from .conditions import Condition
from .panels import PanelBuilder, Target, Variable

Parts = Mapping[str, Condition]


class Store(Protocol):
    """Queries over events. `base` chooses the events; a part has a name and a condition of its own."""

    @property
    def kind(self) -> str:
        """Grafana's name for the data source."""
        ...

    @property
    def total_calc(self) -> str:
        """How the points of `totals` become one number."""
        ...

    def variables(self) -> list[Variable]:
        """For the tenant, and for the content type if there are several."""
        ...

    def totals(self, base: Condition, parts: Parts) -> list[Target]:
        """How many events there are of each part."""
        ...

    def over_time(self, base: Condition, parts: Parts) -> list[Target]:
        """How many events there are of each part, over time."""
        ...

    def by_value(self, base: Condition, field: str) -> list[Target]:
        """How many events there are with each value of a field, over time."""
        ...

    def top(self, title: str, description: str, base: Condition, fields: Sequence[str], no_value: str) -> PanelBuilder:
        """The values of fields that most events have."""
        ...

    def latest(self, title: str, description: str, base: Condition, fields: Sequence[str], no_value: str) -> PanelBuilder:
        """The newest events."""
        ...


# A store for a dashboard over events of these content types.
MakeStore = Callable[[Sequence[str]], Store]
