"""An address where a path on a disk is wanted is refused in words; it makes no folder `s3:`."""

from pathlib import Path

import pytest

import goldenseed
from pipeline.errors import ConfigError
from tests.in_process import exit_code

COMMANDS = (
    "status {0}",
    "generate seedling-mini --out {0}",
    "plan {0}",
    "rank {0}",
    "report runs --out {0}",
    "grid runs --out {0}",
    "compare runs --with {0}",
    "search seedling-mini --metric contrast --out {0}",
    "import . --out {0}",
    "seeds --from {0}",
    "doctor --out {0}",
)


@pytest.mark.parametrize("address", ["s3://bucket/run", "gs:/bucket/run", "https://a.example/b"])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_address_is_refused_and_makes_no_folder(
    command: str,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(*command.format(address).split()) == 2
    said = capsys.readouterr().err
    assert address.partition("/")[2].strip("/") in said
    assert "an address" in said or "does not exist" in said
    assert list(tmp_path.iterdir()) == []


def test_the_python_door_refuses_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ("s3://bucket/run", Path("s3://bucket/run")):
        with pytest.raises(ConfigError, match="s3://bucket/run is an address"):
            goldenseed.open_run(address)


@pytest.mark.parametrize("name", ["a:b", "12:30", "s3:", "a b:/c"])
def test_a_folder_may_have_a_colon_in_its_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir(parents=True)
    assert exit_code("status", tmp_path / name) == 2
    assert "is not a run folder" in capsys.readouterr().err
