"""Dashboards as Grafana's foundation SDK and the query languages understand them.

    grafana_dashboards.py probe
    grafana_dashboards.py validate DASHBOARD...
    grafana_dashboards.py select DASHBOARD... < EVENTS

`validate` reads each dashboard with the SDK's types and writes it again: what the SDK does not know is missing then. It also
compares each value with the type that the SDK declares for it, which `from_json` does not do.

EVENTS are lines of a name, a tab and an event as JSON. `select` prints, for each panel that counts or shows events, the
dashboard, the panel and the part, and the names of the events that are chosen, with tabs in between. Elasticsearch's queries
are read by luqum and compare as a keyword does; a list is equal to what one of its elements is equal to. Those of Loki are read
here: of LogQL, only filters of labels are known, and everything else is an error.
"""

import enum
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig, Panel
from luqum.parser import parser as lucene  # type: ignore[import-untyped]
from luqum.tree import (  # type: ignore[import-untyped]
    AndOperation,
    FieldGroup,
    Group,
    Not,
    OrOperation,
    Phrase,
    SearchField,
    Word,
)

Event = dict[str, Any]
Test = Callable[[Event], bool]


# Validation


def validate(path: Path) -> list[str]:
    text = json.loads(path.read_text(encoding="utf-8"))
    try:
        board = Dashboard.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        return [f"the SDK cannot read it: {error!r}"]
    # `from_json` leaves them as they are.
    for panel in board.panels or []:
        if isinstance(panel, Panel) and panel.transformations is not None:
            panel.transformations = [DataTransformerConfig.from_json(item) for item in text_of(panel.transformations)]
    again = text_of(board)
    return [*differences("", text, again), *wrong_types("", board)]


def text_of(value: Any) -> Any:
    return json.loads(json.dumps(value, cls=JSONEncoder))


def differences(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                yield f"{path}.{name}: the SDK does not know it"
            elif name not in before:
                yield f"{path}.{name}: the SDK adds it"
            else:
                yield from differences(f"{path}.{name}", before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after)):
            yield from differences(f"{path}[{index}]", *pair)
    elif before != after:
        yield f"{path}: {before!r} becomes {after!r}"


def wrong_types(path: str, value: Any) -> Iterator[str]:
    """Members of the SDK's objects that have another type than declared, however deep."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from wrong_types(f"{path}[{index}]", item)
    elif isinstance(value, UnknownDataquery):
        yield f"{path}: no data source names the type of this query"
    elif type(value).__module__.startswith("grafana_foundation_sdk") and not isinstance(value, enum.Enum):
        module = sys.modules[type(value).__module__]
        for name, declared in typing.get_type_hints(type(value), vars(module)).items():
            member = getattr(value, name)
            if not fits(member, declared):
                yield f"{path}.{name}: {member!r} is no {declared}"
            yield from wrong_types(f"{path}.{name}", member)


def fits(value: Any, declared: Any) -> bool:
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if declared is Any or declared is object:
        return True
    if declared is None or declared is types.NoneType:
        return value is None
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if declared is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(declared, type) and issubclass(declared, enum.Enum):
        return value in [member.value for member in declared]
    if declared is int and isinstance(value, bool):
        return False
    return isinstance(value, declared)


# Selection


def values(event: Any, path: str) -> list[str]:
    """The texts at a path with dots; paths go through lists."""
    if isinstance(event, list):
        return [text for item in event for text in values(item, path)]
    if isinstance(event, dict):
        name, _, rest = path.partition(".")
        return values(event[name], rest) if path and name in event else []
    return [] if path or event is None else [str(event).lower() if isinstance(event, bool) else str(event)]


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def lucene_test(query: str) -> Test:
    return node_test(lucene.parse(query), None)


def node_test(node: Any, field: str | None) -> Test:
    match node:
        case AndOperation():
            parts = [node_test(child, field) for child in node.children]
            return lambda event: all(part(event) for part in parts)
        case OrOperation():
            parts = [node_test(child, field) for child in node.children]
            return lambda event: any(part(event) for part in parts)
        case Not():
            part = node_test(node.children[0], field)
            return lambda event: not part(event)
        case Group() | FieldGroup():
            return node_test(node.expr, field)
        case SearchField(name="_exists_"):
            name = str(node.expr)
            return lambda event: bool(values(event, name))
        case SearchField():
            return node_test(node.expr, node.name)
        case Word() | Phrase() if field is not None:
            text = node.value[1:-1] if isinstance(node, Phrase) else node.value
            form = pattern(text) if isinstance(node, Word) else re.compile(re.escape(text))
            return lambda event: any(form.fullmatch(value) for value in values(event, field))
        # Words side by side, for which Elasticsearch has a default, and whatever else a dashboard should not have.
        case _:
            raise ValueError(f"a query has {node!r}")


def labels(event: Any, path: str = "") -> dict[str, str]:
    """What Loki's `json` makes of an event: lists are left out, and names have no dots."""
    if isinstance(event, dict):
        found: dict[str, str] = {}
        for name, value in event.items():
            found |= labels(value, f"{path}_{name}" if path else name)
        return found
    if event is None or isinstance(event, list):
        return {}
    return {re.sub(r"\W", "_", path): str(event).lower() if isinstance(event, bool) else str(event)}


TOKEN = re.compile(
    r'\s*(?:(?P<sign>[()])|(?P<word>and|or)\b|(?P<name>\w+)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>`[^`]*`|"[^"]*"))'
)


def logql_test(stage: str) -> Test:
    """A filter of labels. `and` binds closer than `or`."""
    tokens: list[re.Match[str]] = []
    end = 0
    while stage[end:].strip():
        token = TOKEN.match(stage, end)
        if token is None:
            raise ValueError(f"cannot read {stage[end:]!r}")
        tokens.append(token)
        end = token.end()
    test, rest = any_of(tokens)
    if rest:
        raise ValueError(f"{rest[0].group()!r} comes too late in {stage!r}")
    return test


Tokens = list[re.Match[str]]


def any_of(tokens: Tokens) -> tuple[Test, Tokens]:
    part, tokens = all_of(tokens)
    parts = [part]
    while tokens and tokens[0]["word"] == "or":
        part, tokens = all_of(tokens[1:])
        parts.append(part)
    return lambda event: any(part(event) for part in parts), tokens


def all_of(tokens: Tokens) -> tuple[Test, Tokens]:
    part, tokens = one(tokens)
    parts = [part]
    while tokens and tokens[0]["word"] == "and":
        part, tokens = one(tokens[1:])
        parts.append(part)
    return lambda event: all(part(event) for part in parts), tokens


def one(tokens: Tokens) -> tuple[Test, Tokens]:
    if not tokens:
        raise ValueError("something is missing at the end")
    first, tokens = tokens[0], tokens[1:]
    if first["sign"] == "(":
        test, tokens = any_of(tokens)
        if not tokens or tokens[0]["sign"] != ")":
            raise ValueError("a parenthesis stays open")
        return test, tokens[1:]
    if first["name"] is None:
        raise ValueError(f"{first.group()!r} stands where a filter should")
    name, operator, value = first["name"], first["operator"], first["value"][1:-1]
    form = re.compile(value if "~" in operator else re.escape(value))
    # A label that is not there is an empty one.
    return lambda event: bool(form.fullmatch(event.get(name, ""))) != operator.startswith("!"), tokens


PIPELINE = re.compile(
    r"\{\$\{stream:raw\}\} \| json \| __error__=`` \| (?P<filters>.*?)(?: \[\$__(?:range|auto)\]| \| line_format .*|$)"
)


def loki_parts(target: dict[str, Any]) -> Iterator[tuple[str, Test]]:
    found = list(PIPELINE.finditer(target["expr"]))
    if len(found) != 1:
        raise ValueError(f"not one pipeline: {target['expr']}")
    tests = [logql_test(stage) for stage in found[0]["filters"].split(" | ")]
    legend = target.get("legendFormat", "")
    yield "" if legend.startswith("{{") else legend, lambda event: all(test(labels(event)) for test in tests)


def elasticsearch_parts(target: dict[str, Any]) -> Iterator[tuple[str, Test]]:
    base = lucene_test(target["query"])
    aggregations = target.get("bucketAggs") or []
    fields = [aggregation["field"] for aggregation in aggregations if aggregation["type"] == "terms"]
    for aggregation in aggregations:
        if aggregation["type"] == "filters":
            for part in aggregation["settings"]["filters"]:
                test = lucene_test(part["query"])
                yield part["label"], both(base, test)
            return
    # A document without the field is in no bucket.
    yield "", lambda event: base(event) and all(values(event, field) for field in fields)


def both(one: Test, other: Test) -> Test:
    return lambda event: one(event) and other(event)


def with_everything_chosen(board: Any) -> Any:
    """The dashboard with the values that its variables have when everything is chosen."""
    text = json.dumps({"panels": board["panels"]})
    for variable in board["templating"]["list"]:
        if "allValue" in variable:
            text = text.replace(f"${variable['name']}", json.dumps(variable["allValue"])[1:-1])
    return json.loads(text)


def select(path: Path, events: list[tuple[str, Event]]) -> Iterator[str]:
    board = with_everything_chosen(json.loads(path.read_text(encoding="utf-8")))
    parts = loki_parts if path.name.endswith(".loki.json") else elasticsearch_parts
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            for name, test in parts(target):
                chosen = ", ".join(event_name for event_name, event in events if test(event))
                yield f"{path.stem}\t{panel['title']}\t{name}\t{chosen}"


def main(command: str, paths: list[Path]) -> int:
    match command:
        case "probe":
            return 0
        case "validate":
            # Without them, queries and options of panels are read as they come.
            register_default_plugins()
            problems = [f"{path.name}{problem}" for path in paths for problem in validate(path)]
            for problem in problems:
                print(problem)
            return 1 if problems else 0
        case "select":
            lines = [line.split("\t", 1) for line in sys.stdin.read().splitlines()]
            events = [(name, json.loads(event)) for name, event in lines]
            for path in paths:
                for line in select(path, events):
                    print(line)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], [Path(argument) for argument in sys.argv[2:]]))
