#!/usr/bin/env bash
# pySigma 1.5.1's transformation `regex` does not escape `"`, `<`, `>` and `@`, and pySigma-backend-elasticsearch 2.1.1
# prints them as they are in Lucene's regular expressions, where they are operators.
#
# The transformation is how a pipeline makes Lucene match text in any case. In Lucene's syntax "…" is a literal, <1-5> a
# range of numbers and @ any string (https://www.elastic.co/docs/reference/query-languages/query-dsl/regexp-syntax).
# So this value
#
#     x: '"State":2'   becomes   x:/"[sS][tT][aA][tT][eE]":2/
#
# and what is between the quotes is compared letter by letter, brackets included: nothing matches it.
#
# Exit code 0: the behaviour is as described. 1: it has changed. 2: the packages could not be installed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" \
    && "$work/venv/bin/pip" install --quiet pySigma==1.5.1 pySigma-backend-elasticsearch==2.1.1 || exit 2

cat > "$work/rule.yml" <<'RULE'
title: A value with quotes
id: 1d8c9f2b-5a50-4a8e-9a57-2f1f9d1c8f13
status: test
logsource:
  product: m365
  service: audit
detection:
  selection:
    x: '"State":2'
  condition: selection
RULE

found="$("$work/venv/bin/python" - "$work/rule.yml" <<'PYTHON'
import sys
from sigma.backends.elasticsearch import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.processing.pipeline import ProcessingPipeline

any_case = ProcessingPipeline.from_yaml("{name: n, priority: 10, transformations: [{type: regex}]}")
print(LuceneBackend(processing_pipeline=any_case).convert(SigmaCollection.from_yaml(open(sys.argv[1]).read()))[0])
PYTHON
)"
seen='x:/"[sS][tT][aA][tT][eE]":2/'
echo "found: $found"
[ "$found" = "$seen" ] || { echo "seen:  $seen" >&2; exit 1; }
