#!/usr/bin/env python3
"""Writes the dashboards beside this file, or into the folder that is given.

Needs the packages of requirements.txt.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import audit, operations
from dashboards.elasticsearch import Elasticsearch
from dashboards.loki import Loki
from dashboards.panels import Board


def boards() -> dict[str, Board]:
    """Every dashboard by the name of its file."""
    made = {"operations.prometheus": operations.operations()}
    for kind, store in (("elasticsearch", Elasticsearch), ("loki", Loki)):
        made[f"logon-audit.{kind}"] = audit.logon_audit(store)
        made[f"sharepoint-audit.{kind}"] = audit.sharepoint_audit(store)
        made[f"sensitivity-label-audit.{kind}"] = audit.sensitivity_label_audit(store)
    return made


def main(folder: Path) -> None:
    for name, board in boards().items():
        text = json.dumps(board.build(), cls=JSONEncoder, indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
