"""The cluster file keeps to Ray's own schema, and to the version that is pinned."""

import copy
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml


@pytest.fixture(scope="module")
def cluster(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "ray_cluster.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def gpu_types(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = cluster["available_node_types"]
    return {name: node for name, node in types.items() if node["resources"].get("GPU", 0) > 0}


def test_the_file_is_valid(cluster: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.validate(cluster, schema)


@pytest.mark.parametrize(
    ("where", "key"),
    [
        ((), "max_worker"),
        (("auth",), "ssh_usr"),
        (("docker",), "worker_img"),
        (("available_node_types", "gpu_spot"), "max_worker"),
    ],
)
def test_a_misspelt_key_is_refused(
    cluster: dict[str, Any], schema: dict[str, Any], where: tuple[str, ...], key: str
) -> None:
    wrong = copy.deepcopy(cluster)
    inner = wrong
    for name in where:
        inner = inner[name]
    inner[key] = "x"
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(wrong, schema)


def test_a_half_gpu_is_refused(cluster: dict[str, Any], schema: dict[str, Any]) -> None:
    wrong = copy.deepcopy(cluster)
    wrong["available_node_types"]["gpu_spot"]["resources"]["GPU"] = 0.5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_no_work_lands_on_the_head(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert cluster["head_node_type"] not in gpu_types(cluster)
    assert "InstanceMarketOptions" not in head["node_config"]


def test_the_workers_have_gpus_within_the_limit(cluster: dict[str, Any]) -> None:
    workers = gpu_types(cluster)
    assert sum(node["max_workers"] for node in workers.values()) == cluster["max_workers"]
    assert sum(node["min_workers"] for node in workers.values()) <= cluster["max_workers"]


def test_the_images_hold_the_pinned_ray(cluster: dict[str, Any], root: Path) -> None:
    pins = (root / "constraints.txt").read_text(encoding="utf-8")
    pinned = re.search(r"^ray==(\S+)$", pins, flags=re.MULTILINE)
    assert pinned is not None
    for name in ("head_image", "worker_image"):
        image, _, tag = cluster["docker"][name].partition(":")
        assert image == "rayproject/ray"
        assert tag.split("-")[0] == pinned[1]


def test_the_ports_are_fenced(cluster: dict[str, Any]) -> None:
    options = cluster["docker"]["run_options"]
    assert "--env RAY_AUTH_MODE=token" in options
    (start,) = (line for line in cluster["head_start_ray_commands"] if "ray start" in line)
    assert "--dashboard-host=127.0.0.1" in start
    token = next(option.split("=")[1] for option in options if "RAY_AUTH_TOKEN_PATH" in option)
    assert token in cluster["file_mounts"]


def test_workers_stay_off_the_hub_and_share_the_weights(cluster: dict[str, Any]) -> None:
    docker = cluster["docker"]
    assert "--env HF_HUB_OFFLINE=1" in docker["worker_run_options"]
    assert "--env HF_HOME=/mnt/goldenseed/huggingface" in docker["run_options"]
    assert "--volume /mnt/goldenseed:/mnt/goldenseed" in docker["run_options"]
    assert any("/mnt/goldenseed" in line for line in cluster["initialization_commands"])


def test_the_constraints_name_no_host_and_no_path(root: Path) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", pin)] == []
