"""Queries for Loki, over lines that are events as JSON."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import loki as builders
from grafana_foundation_sdk.builders.dashboard import AdHocVariable, TextBoxVariable
from grafana_foundation_sdk.models import loki as models
from grafana_foundation_sdk.models.dashboard import VariableOption

from .conditions import All, Condition, Has, Is, label
from .panels import PanelBuilder, Target, Variable, everything, lines_of_text, one_of, organize, rows, source, transformation
from .stores import Parts

STREAM = 'job="m365"'
SELECTOR = "{${stream:raw}}"
TOP = 20
LATEST = 100
# The stream may have other events beside ours, such as the findings of the detections.
OURS = Is("event.dataset", "o365.audit")
# What Grafana's editor writes; the number stands for the values of a label.
LABEL_VALUES = 1


class Loki:
    kind = "loki"
    total_calc = "lastNotNull"

    def __init__(self, content_types: Sequence[str]) -> None:
        self._content_types = content_types
        # Grafana escapes chosen values for quotes: between backticks, a dot would not match itself.
        limits = [OURS.logql(), f'{label("organization.id")}=~"$tenant"']
        if len(content_types) > 1:
            limits.append(f'{label("o365.content.type")}=~"$content_type"')
        self._limits = " and ".join(limits)

    def variables(self) -> list[Variable]:
        datasource = source(self.kind)
        stream = TextBoxVariable("stream").label("Stream").default_value(STREAM)
        stream.current(VariableOption(text=STREAM, value=STREAM, selected=True))
        tenant = everything("tenant", "Tenant", "The label tenant of the stream", ".*").datasource(datasource)
        query: dict[str, object] = {"type": LABEL_VALUES, "label": "tenant", "stream": SELECTOR, "refId": "tenant"}
        variables: list[Variable] = [stream.description("Which stream has the events"), tenant.query(query)]
        if len(self._content_types) > 1:
            variables.append(one_of("content_type", "Content type", self._content_types, ".*"))
        return [*variables, AdHocVariable("filters").label("Filters").datasource(datasource)]

    def _events(self, condition: Condition) -> str:
        # A line that is no JSON would make the whole query fail.
        return f"{SELECTOR} | json | __error__=`` | {self._limits} | {condition.logql()}"

    def totals(self, base: Condition, parts: Parts) -> list[Target]:
        targets: list[Target] = []
        for number, (name, part) in enumerate(parts.items()):
            expr = f"sum(count_over_time({self._events(All(base, part))} [$__range])) or vector(0)"
            targets.append(instant(ref_id(number), expr).legend_format(name))
        return targets

    def over_time(self, base: Condition, parts: Parts) -> list[Target]:
        targets: list[Target] = []
        for number, (name, part) in enumerate(parts.items()):
            expr = f"sum(count_over_time({self._events(All(base, part))} [$__auto]))"
            targets.append(over_time(ref_id(number), expr).legend_format(name))
        return targets

    def by_value(self, base: Condition, field: str) -> list[Target]:
        name = label(field)
        expr = f"sum by ({name}) (count_over_time({self._events(All(base, Has(field)))} [$__auto]))"
        return [over_time("A", expr).legend_format(f"{{{{{name}}}}}")]

    def top(self, title: str, description: str, base: Condition, fields: Sequence[str], no_value: str) -> PanelBuilder:
        names = ", ".join(label(field) for field in fields)
        chosen = self._events(All(base, *(Has(field) for field in fields)))
        expr = f"topk({TOP}, sum by ({names}) (count_over_time({chosen} [$__range])))"
        # Each value is a frame of its own.
        columns = {"Value": "Count", "Value #A": "Count", **{label(field): field for field in fields}}
        changes = [transformation("labelsToFields", mode="columns"), transformation("merge"), organize(["Time"], columns)]
        return rows(title, description, [instant("A", expr)], no_value, transformations=changes, sort_by="Count")

    def latest(self, title: str, description: str, base: Condition, fields: Sequence[str], no_value: str) -> PanelBuilder:
        text = "  ".join(f"{{{{.{label(field)}}}}}" for field in ["@timestamp", *fields])
        query = over_time("A", f"{self._events(base)} | line_format `{text}`").max_lines(LATEST)
        return lines_of_text(title, f"{description} {', '.join(fields)}.", [query], no_value)


def ref_id(number: int) -> str:
    return chr(ord("A") + number)


def instant(name: str, expr: str) -> builders.Dataquery:
    return query(name, expr).query_type("instant").instant(True)


def over_time(name: str, expr: str) -> builders.Dataquery:
    return query(name, expr).query_type("range").range(True)


def query(name: str, expr: str) -> builders.Dataquery:
    return builders.Dataquery().ref_id(name).expr(expr).editor_mode(models.QueryEditorMode.CODE)
