"""Sigma rules as pySigma reads them: which events they choose, and what they become for a backend.

    sigma_rules.py probe
    sigma_rules.py match [--pipeline FILE]... [--exact] RULE... < EVENTS
    sigma_rules.py convert BACKEND [--pipeline FILE]... RULE...

EVENTS are lines of a name, a tab and an event as JSON. `match` prints the name of the rule's file, a tab and the event's name
for each that is chosen. A value that is a list is equal to what one of its elements is equal to, which is what Elasticsearch,
and Sigma, mean by a field with several values. `--exact` compares text with regard to case, and regular expressions with the
whole value, as Lucene does with a keyword.

Beside rules' fields, records are looked into as rules over records do: a name that is no member is looked for among the
names of `ExtendedProperties`, and a list of objects is its text.
"""

import ipaddress
import json
import re
import sys
from pathlib import Path

from sigma.collection import SigmaCollection
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
)
from sigma.processing.pipeline import ProcessingPipeline
from sigma.types import (
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)


def values(event, field):
    """All values that an event has at a path with dots, as an index flattens it."""


    def walk(node, names):
        if isinstance(node, list):
            for element in node:
                yield from walk(element, names)
        elif not names:
            if node is not None:
                yield node
        elif isinstance(node, dict):
            for end in range(1, len(names) + 1):
                name = ".".join(names[:end])
                if name in node:
                    yield from walk(node[name], names[end:])

    found = list(walk(event, field.replace("{}", "").split(".")))
    if not found and isinstance(event.get("ExtendedProperties"), list):
        pairs = (pair for pair in event["ExtendedProperties"] if isinstance(pair, dict))
        found = [pair.get("Value") for pair in pairs if pair.get("Name") == field]
    return found


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def pattern(string):
    """The regular expression of a text with wildcards."""
    parts = []
    for part in string.s:
        if part == SpecialChars.WILDCARD_MULTI:
            parts.append(".*")
        elif part == SpecialChars.WILDCARD_SINGLE:
            parts.append(".")
        elif isinstance(part, str):
            parts.append(re.escape(part))
        else:
            raise NotImplementedError(f"{part!r} in a text")
    return "".join(parts)


def equals(expected, value, exact):
    flags = re.DOTALL if exact else re.DOTALL | re.IGNORECASE
    if isinstance(expected, SigmaString):
        return re.fullmatch(pattern(expected), text(value), flags) is not None
    if isinstance(expected, SigmaNumber):
        try:
            return float(text(value)) == float(expected.number)
        except ValueError:
            return False
    if isinstance(expected, SigmaBool):
        return text(value).lower() == ("true" if expected.boolean else "false")
    if isinstance(expected, SigmaRegularExpression):
        ignore = SigmaRegularExpressionFlag.IGNORECASE in expected.flags
        find = re.fullmatch if exact else re.search
        return find(str(expected.regexp), text(value), re.IGNORECASE if ignore else 0) is not None
    if isinstance(expected, SigmaCIDRExpression):
        try:
            return ipaddress.ip_address(text(value)) in expected.network
        except ValueError:
            return False
    if isinstance(expected, SigmaCompareExpression):
        number, limit = float(text(value)), float(expected.number.number)
        return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[expected.op.value]
    raise NotImplementedError(f"{type(expected).__name__} is not evaluated")


def holds(condition, event, exact):
    if isinstance(condition, ConditionAND):
        return all(holds(part, event, exact) for part in condition.args)
    if isinstance(condition, ConditionOR):
        return any(holds(part, event, exact) for part in condition.args)
    if isinstance(condition, ConditionNOT):
        return not any(holds(part, event, exact) for part in condition.args)
    if isinstance(condition, ConditionFieldEqualsValueExpression):
        found = values(event, condition.field)
        if not found and (raw := event.get(condition.field)) not in (None, []):
            found = [raw]
        if isinstance(condition.value, SigmaNull):
            return not found
        if isinstance(condition.value, SigmaExists):
            return bool(found) == bool(condition.value)
        # Rules over records take a list of names and values for one text.
        if any(isinstance(value, dict) for value in found):
            found = [text(event.get(condition.field, found))]
        return any(equals(condition.value, value, exact) for value in found)
    raise NotImplementedError(f"{type(condition).__name__} is not evaluated")


def pipeline(files):
    """Like sigma-cli: the one with the lowest priority comes first."""
    pipelines = [ProcessingPipeline.from_yaml(Path(file).read_text(encoding="utf-8")) for file in files]
    return sum(sorted(pipelines, key=lambda one: one.priority), ProcessingPipeline())


def arguments(given):
    pipelines, rules, exact = [], [], False
    given = iter(given)
    for argument in given:
        if argument == "--pipeline":
            pipelines.append(next(given))
        elif argument == "--exact":
            exact = True
        else:
            rules.append(argument)
    return pipelines, rules, exact


def rules_of(file):
    collection = SigmaCollection.from_yaml(Path(file).read_text(encoding="utf-8"))
    collection.resolve_rule_references()
    return collection


def match(given):
    pipelines, rules, exact = arguments(given)
    events = []
    for line in sys.stdin.read().splitlines():
        name, _, event = line.partition("\t")
        events.append((name, json.loads(event)))
    for file in rules:
        for rule in rules_of(file).rules:
            pipeline(pipelines).apply(rule)
            conditions = [condition.parse() for condition in rule.detection.parsed_condition]
            for name, event in events:
                if any(holds(condition, event, exact) for condition in conditions):
                    print(f"{Path(file).stem}\t{name}")


def convert(given):
    from sigma.plugins import InstalledSigmaPlugins

    target, *given = given
    pipelines, rules, _ = arguments(given)
    backend = InstalledSigmaPlugins.autodiscover().backends[target](processing_pipeline=pipeline(pipelines))
    for file in rules:
        for query in backend.convert(rules_of(file)):
            print(f"{Path(file).stem}\t{query}")


if __name__ == "__main__":
    command, *rest = sys.argv[1:] or [""]
    if command == "match":
        match(rest)
    elif command == "convert":
        convert(rest)
    elif command == "probe":
        from sigma.plugins import InstalledSigmaPlugins

        print(" ".join(sorted(InstalledSigmaPlugins.autodiscover().backends)))
    else:
        sys.exit(__doc__)
