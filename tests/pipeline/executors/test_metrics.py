"""The metrics of an actor arrive at the port from which Prometheus reads them."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, time, urllib.request
import ray

ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR",
         _metrics_export_port=int(sys.argv[1]), _temp_dir=sys.argv[2], object_store_memory=2**27)

@ray.remote
class Actor:
    def work(self):
        from pipeline.executors.ray.metrics import ActorMetrics
        from pipeline.stage import Outcome
        from pipeline.usage import Usage

        self.metrics = ActorMetrics("generate")  # Ray forgets metrics that nobody holds
        usage = Usage("run1", "host:1", {"draw": 2.0, "commit": 0.5}, 0.25, 123, 99)
        self.metrics.record(Outcome("a", 8, 3, usage=usage))
        self.metrics.record(Outcome("b", error="no memory"))

actor = Actor.remote()
ray.get(actor.work.remote())
for _ in range(60):
    time.sleep(1)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics") as answer:
            text = answer.read().decode()
    except OSError:
        continue
    if "goldenseed_attempts" in text:
        break
print(text)
"""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.slow
def test_prometheus_reads_what_an_actor_records(tmp_path_factory: pytest.TempPathFactory) -> None:
    if importlib.util.find_spec("opentelemetry") is None:
        pytest.skip("the extra `cluster` is not installed")
    folder = tmp_path_factory.mktemp("m")
    settings = {"RAY_AUTH_MODE": "disabled", "RAY_metrics_report_interval_ms": "1000"}
    paths = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(_free_port()), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **settings, "PYTHONPATH": paths, "PYTHONWARNINGS": ""},
    )
    assert done.returncode == 0, done.stderr
    pattern = r'^ray_goldenseed_(\w+)\{.*?(?:(?:part|result)="(\w+)".*)?\} ([\d.]+)$'
    values = {tuple(row[:2]): float(row[2]) for row in re.findall(pattern, done.stdout, re.M)}
    assert values == {
        ("attempts_total", "done"): 1,
        ("attempts_total", "failed"): 1,
        ("images_total", ""): 8,
        ("failed_images_total", ""): 3,
        ("part_seconds_total", "draw"): 2,
        ("part_seconds_total", "commit"): 0.5,
        ("written_bytes_total", ""): 99,
        ("idle_share", ""): 0.25,
        ("gpu_bytes", ""): 123,
    }
