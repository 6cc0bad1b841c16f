"""Many recordings: one that fails never stops the others, and the results file tells everything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "batch_preprocess.py"


def test_one_failed_recording_stops_nobody(tmp_path, short_recording) -> None:
    for place in ("voice/voice.mp4", "lying.mp4"):
        (tmp_path / "dataset" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dataset" / place).write_bytes(short_recording.read_bytes())
    (tmp_path / "dataset" / "broken").mkdir()
    (tmp_path / "dataset" / "broken" / "broken.mp4").write_text("no video")
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "--workers", "2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    results = json.loads((tmp_path / "batch_results.json").read_text())
    assert {item["name"]: item["status"] for item in results["results"]} == {
        "broken": "failed", "lying": "success", "voice": "success",
    }  # fmt: skip
    assert (results["total_videos"], results["successful"], results["failed"]) == (3, 2, 1)
    broken = next(item for item in results["results"] if item["name"] == "broken")
    assert broken["exit_code"] == 2
    assert "is not a video" in broken["error"]
    assert "is not a video" in ended.stdout
    for name in ("voice", "lying"):
        assert (tmp_path / "dataset" / name / "face" / "crops.npy").is_file()


def test_a_stopped_batch_ends_its_children_and_says_so(tmp_path, recording) -> None:
    (tmp_path / "dataset" / "voice").mkdir(parents=True)
    (tmp_path / "dataset" / "voice" / "voice.mp4").write_bytes(recording.read_bytes())
    command = [sys.executable, "-m", "synctalk", "batch", "--root", str(tmp_path)]
    command += ["--results_file", str(tmp_path / "r.json")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lock = tmp_path / "dataset" / "voice" / ".lock"
    while not (lock.exists() and lock.stat().st_size):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 75
    (result,) = json.loads((tmp_path / "r.json").read_text())["results"]
    assert (result["status"], result["exit_code"]) == ("interrupted", 75)
