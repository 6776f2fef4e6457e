"""The benchmark of the classifier's input measures waits, and detects a slow input."""

import json
from pathlib import Path

import pytest

from benchmarks import classifier


def test_it_reports_shares_of_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    classifier.main(["--seeds", "16", "--prompts", "32", "--pairs", "1"])
    fields = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < fields["peer"] <= 1
    assert 0 < fields["ours"] <= 1
    assert fields["ok"] == (fields["ours"] >= classifier.GOAL)


def test_a_slow_input_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from analysis.studies.distinguishability import stream

    run = classifier.drawn_run(tmp_path / "run", 16, 32)
    decode = stream.decode_rows

    def slow(*rows: object, **size: int) -> object:
        time.sleep(1)
        return decode(*rows, **size)  # type: ignore[arg-type]

    monkeypatch.setattr(stream, "decode_rows", slow)
    assert classifier.busy(run, reads_ahead=False) < 0.9
