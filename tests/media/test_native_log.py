"""Native chatter is held back, everybody else is heard."""

from __future__ import annotations

import os

import pytest

from synctalk.media.native_log import muted_native_log

CHATTER = (
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "W0000 00:00:1700000000.123456    8969 inference_feedback_manager.cc:114] Feedback manager requires a model",
    "I0000 00:00:1700000000.123456    8969 gl_context.cc:357] GL version",
    "2024-01-01 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:182] This binary",
)


def test_chatter_is_swallowed_and_words_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with muted_native_log():
        for line in ("first", *CHATTER, "second: INFO: in the middle"):
            os.write(2, f"{line}\n".encode())
    os.write(2, b"third\n")
    assert capfd.readouterr().err == "first\nsecond: INFO: in the middle\nthird\n"


def test_an_error_inside_still_restores_the_console(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), muted_native_log():
        os.write(2, b"a word\n")
        raise ValueError("inside")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "a word\nafter\n"


def test_no_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with muted_native_log():
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_half_lines_and_other_bytes_survive(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with muted_native_log():
        os.write(2, b"\xff\xfe no newline")
    assert capfdbinary.readouterr().err == b"\xff\xfe no newline"
