#!/usr/bin/env bash
# pySigma-backend-kusto 1.0.1 (pySigma 1.5.1) writes a field name with a dot as a string literal.
#
# A Sigma rule may name fields with dots; those of the Elastic Common Schema have them. Kusto quotes such a name as
# ['event.action'] (https://learn.microsoft.com/kusto/query/schema-entities/entity-names). The backend prints
#
#     'event.action' =~ "FileDeleted"
#
# which compares two strings and is false for every row: the query runs, and never finds anything. For a range of
# addresses it does not quote at all, `ipv4_is_in_range(source.ip, …)`, which reads the property `ip` of a column `source`.
#
# Exit code 0: the behaviour is as described. 1: it has changed. 2: the packages could not be installed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" \
    && "$work/venv/bin/pip" install --quiet pySigma==1.5.1 pySigma-backend-kusto==1.0.1 || exit 2

cat > "$work/rule.yml" <<'RULE'
title: A file was deleted from a network
id: 1d8c9f2b-5a50-4a8e-9a57-2f1f9d1c8f11
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
from sigma.backends.kusto import KustoBackend
from sigma.collection import SigmaCollection

print(KustoBackend().convert(SigmaCollection.from_yaml(open(sys.argv[1]).read()))[0])
PYTHON
)"
seen="'event.action' =~ \"FileDeleted\" and ipv4_is_in_range(source.ip, \"192.0.2.0/24\")"
echo "found: $found"
[ "$found" = "$seen" ] || { echo "seen:  $seen" >&2; exit 1; }
