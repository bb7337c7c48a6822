#!/usr/bin/env bash
# grafana-foundation-sdk 1769699379!11.6.0 (PyPI) reads the queries of a dashboard as `UnknownDataquery`, without an error or a warning,
# unless `register_default_plugins()` was called before. With that, it still does so for a query whose data source has no `type`.
#
# `Dashboard.from_json` is how a program would check dashboards that it has as files. A Loki query of such a file loses its type and
# its methods; only its raw content is kept. So a check by round trip passes whatever the query has.
#
# Exit code 0: the behaviour is as described. 1: it has changed. 2: the package could not be installed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" \
    && "$work/venv/bin/pip" install --quiet 'grafana-foundation-sdk==1769699379!11.6.0' || exit 2

found="$("$work/venv/bin/python" - <<'PYTHON'
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Panel


def kind(datasource, expr):
    target = {"refId": "A", "expr": expr}
    panel = {"type": "timeseries", "targets": [target]}
    if datasource:
        panel["datasource"] = target["datasource"] = {"type": datasource, "uid": "x"}
    return type(Panel.from_json(panel).targets[0]).__name__


before = kind("loki", '{job="a"}')
register_default_plugins()
print(before, kind("loki", '{job="a"}'), kind(None, '{job="a"}'))
PYTHON
)"
seen='UnknownDataquery Dataquery UnknownDataquery'
echo "found: $found"
[ "$found" = "$seen" ] || { echo "seen:  $seen" >&2; exit 1; }
