#!/usr/bin/env bash
# pySigma-backend-loki 0.15.1 (pySigma 1.5.1) leaves the dots in the name of a field that is compared with a range of
# addresses.
#
# Loki's labels have no dots; the backend writes underscores in their place, but not for `|cidr`:
#
#     {job=~".+"} | logfmt | event_action=~`(?i)^FileDeleted$` and source.ip=ip("192.0.2.0/24")
#
# `source.ip` is no name of a label in LogQL, so the query is refused
# (https://grafana.com/docs/loki/latest/query/log_queries/#label-filter-expression).
#
# Exit code 0: the behaviour is as described. 1: it has changed. 2: the packages could not be installed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" \
    && "$work/venv/bin/pip" install --quiet pySigma==1.5.1 pySigma-backend-loki==0.15.1 || exit 2

cat > "$work/rule.yml" <<'RULE'
title: A file was deleted from a network
id: 1d8c9f2b-5a50-4a8e-9a57-2f1f9d1c8f12
status: test
logsource:
  product: m365
  service: audit
detection:
  selection:
    event.action: FileDeleted
    source.ip|cidr: 192.0.2.0/24
  condition: selection
RULE

found="$("$work/venv/bin/python" - "$work/rule.yml" <<'PYTHON'
import sys
from sigma.backends.loki import LogQLBackend
from sigma.collection import SigmaCollection

print(LogQLBackend().convert(SigmaCollection.from_yaml(open(sys.argv[1]).read()))[0])
PYTHON
)"
seen='{job=~".+"} | logfmt | event_action=~`(?i)^FileDeleted$` and source.ip=ip("192.0.2.0/24")'
echo "found: $found"
[ "$found" = "$seen" ] || { echo "seen:  $seen" >&2; exit 1; }
