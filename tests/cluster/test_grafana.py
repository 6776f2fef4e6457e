"""The board for Grafana shows the metrics that actors emit, and no others."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline.executors.ray.metrics import PREFIX, ActorMetrics

NAME = re.compile(rf"\b{PREFIX}goldenseed_\w+")
LABELS = re.compile(r"by \(([^)]*)\)|(\w+)\s*=~?\"|\{\{(\w+)\}\}|label_values\(\w+, (\w+)\)")
OF_RAY = {"NodeAddress", "WorkerId"}
"""Labels that Ray adds to each metric."""
SCHEMA = {
    "type": "object",
    "required": ["title", "uid", "schemaVersion", "templating", "panels"],
    "properties": {
        "panels": {
            "items": {
                "required": ["id", "type", "title", "datasource", "gridPos", "targets"],
                "properties": {
                    "gridPos": {"required": ["h", "w", "x", "y"]},
                    "targets": {"minItems": 1, "items": {"required": ["refId", "expr"]}},
                },
            }
        }
    },
}
"""The part of Grafana's model of a dashboard that it needs to import one."""


@pytest.fixture(scope="module")
def board(root: Path) -> dict[str, Any]:
    return json.loads((root / "cluster" / "grafana.json").read_text(encoding="utf-8"))


def differences(board: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Names that the board and the actors do not share, and labels that no metric has."""
    text = json.dumps(board).replace('\\"', '"')
    emitted = {f"{PREFIX}{metric.info['name']}" for metric in ActorMetrics("generate").all()}
    tags = {tag for metric in ActorMetrics("generate").all() for tag in metric.info["tag_keys"]}
    used = {
        label.strip()
        for groups in LABELS.findall(text)
        for part in groups
        for label in part.split(",")
        if label.strip()
    }
    return set(NAME.findall(text)) ^ emitted, used - tags - OF_RAY


def test_the_board_shows_each_metric_that_actors_emit(board: dict[str, Any]) -> None:
    assert differences(board) == (set(), set())


def test_a_name_or_a_label_that_nobody_emits_is_detected(board: dict[str, Any]) -> None:
    wrong = copy.deepcopy(board)
    wrong["panels"][0]["targets"][0]["expr"] = "sum by (stge) (ray_goldenseed_image_total)"
    names, labels = differences(wrong)
    assert "ray_goldenseed_image_total" in names
    assert labels == {"stge"}
    assert differences({**board, "panels": board["panels"][1:2]})[0]


def test_the_board_has_what_grafana_needs(board: dict[str, Any]) -> None:
    jsonschema.validate(board, SCHEMA)
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert len({str(panel["gridPos"]) for panel in board["panels"]}) == len(numbers)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**board, "panels": [{"id": 1}]}, SCHEMA)
