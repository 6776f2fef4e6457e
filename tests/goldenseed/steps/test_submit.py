"""A run is submitted once, with the folder that holds its recipe."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from goldenseed.steps.submit import Job, make_job, submit
from pipeline.errors import ConfigError, RunError
from pipeline.executors.ray.jobs import connect
from tests.goldenseed.conftest import Call
from tests.goldenseed.tiny_recipes import SMALL


class Cluster:
    """The jobs of a cluster, as its job server tells of them."""

    def __init__(self, **states: str) -> None:
        self.states = dict(states)
        self.submitted: list[dict[str, object]] = []

    def list_jobs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(submission_id=k, status=v) for k, v in self.states.items()]

    def delete_job(self, job_id: str) -> bool:
        return self.states.pop(job_id, "") != ""

    def submit_job(self, **arguments: object) -> str:
        job_id = str(arguments["submission_id"])
        if job_id in self.states:
            raise RuntimeError("this id exists")
        self.submitted.append(arguments)
        self.states[job_id] = "PENDING"
        return job_id


def test_the_same_run_is_submitted_once() -> None:
    cluster, job = Cluster(), make_job("seedling", "/shared/seedling")
    assert submit(job, cluster) == job.id
    with pytest.raises(RunError, match=f"already at work on this run .{job.id}, pending"):
        submit(make_job("seedling", "/shared/seedling"), cluster)
    assert len(cluster.submitted) == 1


@pytest.mark.parametrize("state", ["FAILED", "STOPPED", "SUCCEEDED", "JobStatus.FAILED"])
def test_a_job_that_has_ended_is_submitted_again(state: str) -> None:
    job = make_job("seedling", "/shared/seedling")
    cluster = Cluster(**{job.id: state})
    assert submit(job, cluster) == job.id
    assert cluster.submitted[0]["entrypoint"] == "goldenseed run seedling --out /shared/seedling"


@pytest.mark.parametrize(
    "other",
    [
        make_job("seedling", "/shared/other"),
        make_job("seedling", "/shared/seedling", seeds="64"),
        make_job("seedling", "/shared/seedling", prompts=7),
        make_job("seedling-turbo", "/shared/seedling"),
    ],
    ids=["folder", "seeds", "prompts", "recipe"],
)
def test_another_run_has_another_id(other: Job) -> None:
    assert other.id != make_job("seedling", "/shared/seedling").id


def own(folder: Path, **fields: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"card": "seedling-mini", **SMALL, **fields}))
    return path


def test_the_folder_of_a_recipe_travels_with_it(tmp_path: Path) -> None:
    path = own(tmp_path, prompts={"source": "p.txt"})
    (tmp_path / "p.txt").write_text("a red ball\na blue cube\n")
    cluster = Cluster()
    submit(make_job(str(path), "/shared/a b"), cluster)
    assert cluster.submitted[0]["runtime_env"] == {
        "working_dir": str(tmp_path),
        "excludes": ["/runs/", ".git/", ".venv/"],
    }
    assert cluster.submitted[0]["entrypoint"] == "goldenseed run mine.yaml --out '/shared/a b'"


@pytest.mark.parametrize("source", ["../p.txt", "a/../../p.txt"])
def test_a_path_out_of_the_folder_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which alone travels"):
        make_job(str(own(tmp_path, prompts={"source": source})), "/shared/x")
    make_job(str(own(tmp_path, prompts={"source": "/cluster/p.txt"})), "/shared/x")


def test_bad_input_is_refused(call: Call, tmp_path: Path) -> None:
    for arguments, words in (
        (("seedling", "--out", "runs/x", "--address", "http://127.0.0.1:1"), "the whole path"),
        (("sedling", "--out", "/x", "--address", "http://127.0.0.1:1"), "no recipe 'sedling'"),
        (("seedling", "--out", "/x", "--address", "nonsense"), "job"),
        (("seedling", "--out", "/x", "--address", "http://127.0.0.1:1"), "job"),
        (("seedling", "--out", "/x"), "--address"),
    ):
        called = call("submit", *arguments)
        assert called.code == 2, called
        assert words in called.err


@pytest.fixture
def dashboard() -> Iterator[str]:
    """The job server of a head of our own, on ports and in a folder of its own."""
    pytest.importorskip("aiohttp", reason="Ray's job server needs ray[default]")
    from tests.ray_machines import RayMachines

    folder = Path(tempfile.mkdtemp(prefix="gs", dir="/tmp"))
    cluster = RayMachines(folder, cpus=1, jobs=True)
    yield cluster.dashboard
    cluster.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(600)
def test_a_real_job_server_runs_it_once(
    dashboard: str, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    path = own(tmp_path, prompts={"source": "p.txt"}, metrics=[])
    (tmp_path / "p.txt").write_text("a red ball\na blue cube\n")
    jobs, job = connect(dashboard), make_job(str(path), str(tmp_path / "runs" / "run"))
    submit(job, jobs)
    with pytest.raises(RunError, match="already at work"):
        submit(job, jobs)
    end = time.monotonic() + 400
    while (state := str(jobs.list_jobs()[0].status).rpartition(".")[2]) in ("PENDING", "RUNNING"):
        assert time.monotonic() < end
        time.sleep(2)
    assert state == "SUCCEEDED", jobs.get_job_logs(job.id)  # type: ignore[attr-defined]
    folder = str(tmp_path / "runs" / "run")
    status = [sys.executable, "-m", "goldenseed", "status", folder, "--json"]
    out = subprocess.run(status, cwd=root, env=os.environ, check=True, capture_output=True).stdout
    assert json.loads(out)[0]["drawn"] == 4
