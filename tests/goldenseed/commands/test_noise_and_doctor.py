"""`goldenseed noise` and `goldenseed doctor`."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from goldenseed.steps.doctor import State, cluster, examine, machine, software
from pipeline.cards.card import load_cards
from tests.goldenseed.conftest import Call
from tests.ray_machines import RayMachines

NOISE = ["noise", "--seed", "7", "--shape", "4,8,8"]


def test_noise_is_torchs(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "noise.npy"
    code, out, _ = call(*NOISE, "--out", str(file), "--json")
    expected = torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(7)).numpy()
    assert code == 0
    assert np.array_equal(np.load(file), expected)
    values = json.loads(out)
    assert values["first16"] == pytest.approx(expected.ravel()[:16].tolist(), abs=1e-6)
    assert values["mean"] == pytest.approx(float(expected.mean()), abs=1e-6)
    assert values["noise_spec"] == "torch-cpu-mt19937-normal-fp32/v1"
    other = json.loads(call("noise", "--seed", "8", "--shape", "4,8,8", "--json")[1])
    assert other["first16"] != pytest.approx(values["first16"], abs=1e-2)


def test_a_file_is_never_overwritten(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "noise.npy"
    file.write_bytes(b"mine")
    code, _, err = call(*NOISE, "--out", str(file))
    assert (code, file.read_bytes()) == (2, b"mine")
    assert "this file exists" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "7", "--shape", "4,64"], "channels, height and width"),
        (["--seed", "7", "--shape", "4,0,64"], "channels, height and width"),
        (["--seed", "7", "--shape", "4,²,64"], "channels, height and width"),
        (["--seed", "7", "--shape", "64,4096,4096"], "67,108,864"),
        (["--seed", "-1", "--shape", "4,8,8"], "outside"),
        (["--seed", "7", "--shape", "4,8,8", "--spec", "philox-a10"], "philox-a100"),
        (["--seed", "7", "--shape", "4,8,8", "--out", "noise.png"], ".npy"),
    ],
)
def test_bad_input_is_named(call: Call, arguments: list[str], words: str) -> None:
    code, out, err = call("noise", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_this_machine_can_draw(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("doctor", "--out", str(tmp_path), "--json")
    findings = {finding["check"]: finding for finding in json.loads(out)}
    assert code == 0
    assert findings["hard links"]["state"] == "ok"
    assert findings["Ray's access"]["found"] == "127.0.0.1 alone, with a token"
    assert findings["libraries"]["found"].count("torch") == 1
    assert all(finding["advice"] for finding in findings.values() if finding["state"] != "ok")


def test_a_folder_without_hard_links_is_missing_something(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(machine.os, "link", refuse)
    code, out, _ = call("doctor", "--out", str(tmp_path))
    assert code == 2
    assert "missing  hard links" in out
    assert "choose one with --out" in out
    assert not list(tmp_path.iterdir())


def test_little_space_is_missing_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(tmp_path).state is State.OK
    monkeypatch.setattr(machine, "LEAST_DISK", 2**80)
    assert machine.disk(tmp_path).state is State.MISSING


def test_ports_that_nobody_may_open_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.ports().state is State.OK

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert machine.ports().state is State.NOTE


def test_a_machine_without_compiler_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert machine.compiler().advice.endswith("g++")


def test_an_address_of_ray_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster.ray_address().state is State.OK
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert cluster.ray_address().found == "10.0.0.1:6379"


def test_the_cards_with_weights_in_the_cache_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert software.hub().found.startswith("files of 0 of")
    repo = load_cards()["sdxl-turbo"].repo.replace("/", "--")
    snapshots = tmp_path / f"models--{repo}" / "snapshots"
    snapshots.mkdir(parents=True)
    assert software.hub().found.startswith("files of 0 of"), "an empty folder has no weights"
    (snapshots / "abc").mkdir()
    assert "files of 1 of" in software.hub().found
    assert ": sdxl-turbo; a run downloads" in software.hub().found


def test_each_advice_belongs_to_a_finding_that_needs_it(tmp_path: Path) -> None:
    def unneeded() -> Iterator[str]:
        for finding in examine(tmp_path):
            if (finding.state is State.OK) == bool(finding.advice):
                yield finding.check

    assert not list(unneeded())


def test_a_ray_without_a_token_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.executors.ray.exposure.own_addresses", lambda: {"127.0.0.1"})
    assert cluster.ray_access().state is State.OK
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert cluster.ray_access().found == "127.0.0.1 alone, and it wants no token"
    monkeypatch.setattr("pipeline.executors.ray.exposure.own_addresses", lambda: {"0.0.0.0"})
    assert "listens on 0.0.0.0" in cluster.ray_access().found


def test_a_cluster_that_does_not_answer_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    finding = cluster.ray_access()
    assert finding.state is State.NOTE
    assert "127.0.0.1:1 does not answer" in finding.found


@pytest.mark.slow
@pytest.mark.parametrize("token", [True, False])
def test_a_cluster_is_asked_for_its_token(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, *, token: bool
) -> None:
    machines = RayMachines(tmp_path_factory.mktemp("m"), token=token)
    try:
        monkeypatch.setenv("RAY_ADDRESS", machines.address)
        monkeypatch.setenv("RAY_AUTH_TOKEN", machines.environment["RAY_AUTH_TOKEN"])
        finding = cluster.ray_access()
    finally:
        machines.close()
    assert (finding.state is State.OK) is token
    assert finding.found.endswith("wants a token" if token else "answers without a token")


def test_a_token_that_others_can_read_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    assert cluster.token_file().found == "in no file"
    file = tmp_path / ".ray" / "auth_token"
    file.parent.mkdir()
    file.write_text("0" * 64)
    file.chmod(0o644)
    assert cluster.token_file().advice.endswith(f"chmod 600 {file}")
    file.chmod(0o600)
    assert cluster.token_file().state is State.OK
