"""Run by the tests in a process of its own, which may be killed: the stage `preprocess` in short segments.

Globals given by the caller: `context` (a StageContext), `crash_at` (for SYNCTALK_CRASH_AT), `segment_frames`.
"""

import os

from synctalk.face import preprocess
from synctalk.faults import CRASH_VARIABLE

given = globals()
os.environ[CRASH_VARIABLE] = given["crash_at"]
preprocess.SEGMENT_FRAMES = given["segment_frames"]
preprocess.run_preprocess(given["context"])
