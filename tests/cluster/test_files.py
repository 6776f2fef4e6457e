"""The files of `cluster/` keep to the schemas of Ray and KubeRay, and to the pinned versions."""

import copy
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.runs.run import Run

LAUNCHER = ("aws", "gcp", "onprem")
"""Files for Ray's launcher."""
DRIVER = 580
"""Oldest major version of NVIDIA's driver that runs CUDA 13 (CUDA release notes, table 2)."""


def read(root: Path, name: str) -> dict[str, Any]:
    return yaml.safe_load((root / "cluster" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cluster(root: Path) -> dict[str, Any]:
    return read(root, "aws")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def job_schema() -> dict[str, Any]:
    path = Path(__file__).with_name("rayjob.schema.json")
    return json.loads(path.read_text(encoding="utf-8"))


def gpu_types(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = cluster["available_node_types"]
    return {name: node for name, node in types.items() if node["resources"].get("GPU", 0) > 0}


@pytest.mark.parametrize("name", LAUNCHER)
def test_each_file_for_the_launcher_is_valid(name: str, root: Path, schema: dict[str, Any]) -> None:
    jsonschema.validate(read(root, name), schema)


def test_the_file_for_kubernetes_is_valid(root: Path, job_schema: dict[str, Any]) -> None:
    jsonschema.validate(read(root, "kuberay-rayjob"), job_schema)


@pytest.mark.parametrize(
    "where",
    [
        ("spec",),
        ("spec", "rayClusterSpec"),
        ("spec", "rayClusterSpec", "headGroupSpec"),
        ("spec", "rayClusterSpec", "workerGroupSpecs", 0, "template", "spec", "containers", 0),
    ],
)
def test_a_misspelt_key_for_kubernetes_is_refused(
    where: tuple[Any, ...], root: Path, job_schema: dict[str, Any]
) -> None:
    wrong = copy.deepcopy(read(root, "kuberay-rayjob"))
    inner: Any = wrong
    for name in where:
        inner = inner[name]
    inner["entrypont"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="entrypont"):
        jsonschema.validate(wrong, job_schema)


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


def test_the_machine_image_is_named_and_the_driver_said(
    cluster: dict[str, Any], root: Path
) -> None:
    """Ray's default image for AWS is of 2022; its driver cannot run the pinned torch."""
    for node in cluster["available_node_types"].values():
        assert "base-oss-nvidia-driver-gpu" in node["node_config"]["ImageId"]
    for path in (root / "cluster").iterdir():
        if path.suffix in {".yaml", ""}:
            assert f"driver {DRIVER}" in " ".join(path.read_text(encoding="utf-8").split("# ")) or (
                f"{DRIVER} or newer" in path.read_text(encoding="utf-8")
            ), path


def test_the_pinned_torch_is_built_for_the_cuda_of_that_driver() -> None:
    import torch

    assert torch.version.cuda is None or torch.version.cuda.split(".")[0] == "13"


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_a_machine_can_mount_the_shared_folder(name: str, root: Path) -> None:
    """The client of NFS is on no base image of Ubuntu."""
    commands = read(root, name)["initialization_commands"]
    client = next(i for i, line in enumerate(commands) if "nfs-common" in line)
    assert client < next(i for i, line in enumerate(commands) if "mount -t nfs4" in line)


def test_what_torch_downloads_is_shared_too(root: Path) -> None:
    for name in (*LAUNCHER, "kuberay-rayjob"):
        assert "/mnt/goldenseed/torch" in str(read(root, name)), name


def test_slurm_draws_each_part_and_the_parts_are_the_whole(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    cells = [_drawn_by_part(part, out, root, tmp_path) for part in (1, 2)]
    assert cells[0] > 0
    assert cells[1] > cells[0]
    run = Run.open(out)
    assert cells[1] == len(run.seeds) * len(run.prompts)


def _drawn_by_part(part: int, out: Path, root: Path, folder: Path) -> int:
    """Run the job of one array task; the number of images that are drawn then."""
    environment = {
        **os.environ,
        **{"RECIPE": "seedling-mini", "OUT": str(out), "SLURM_CPUS_PER_TASK": "1"},
        **{"SLURM_ARRAY_TASK_ID": str(part), "SLURM_ARRAY_TASK_COUNT": "2"},
        "PATH": f"{_small_command(folder, root)}:{os.environ['PATH']}",
    }
    job = ["bash", str(root / "cluster" / "slurm.sbatch")]
    done = subprocess.run(job, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sum(receipt.rows for receipt in Run.open(out).images.receipts())


def _small_command(folder: Path, root: Path) -> Path:
    """A folder with a `goldenseed` command that draws a small grid."""
    path = folder / "bin" / "goldenseed"
    path.parent.mkdir(exist_ok=True)
    call = f'{sys.executable} -m goldenseed "$@" --seeds 16 --prompts 8'
    path.write_text(f"#!/bin/sh\nPYTHONPATH={root} exec {call}\n")
    path.chmod(0o755)
    return path.parent


def test_slurm_says_what_it_lacks(root: Path) -> None:
    script = str(root / "cluster" / "slurm.sbatch")
    clean = {"PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", script], env=clean, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "set RECIPE" in done.stderr


def test_the_constraints_name_no_host_and_no_path(root: Path) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", pin)] == []
