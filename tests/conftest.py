"""What all tests share: TensorFlow on the processor and without its log lines."""

from __future__ import annotations

import os

# Both are read when TensorFlow is first imported.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
