"""How much quality, for how much time: the layer of settings between the defaults and everything a user says.

Apart from `config.py` because the command line has to name them before it knows whether it needs any setting at all.
"""

from __future__ import annotations

PRESETS: dict[str, dict[str, dict[str, int | float | str]]] = {
    "draft": {
        "vits": {"size": "draft", "epochs": 100, "batch_size": 4, "lr": 5e-4},
        "kokoro": {
            "hidden_dim": 128,
            "n_encoder_layers": 3,
            "n_decoder_layers": 3,
            "n_heads": 4,
            "encoder_ff_dim": 512,
            "decoder_ff_dim": 512,
            "epochs": 200,
            "batch_size": 8,
            "warmup_steps": 50,
        },
        "preprocess": {"size_px": 128},
        "syncnet": {"epochs": 16, "batch_size": 16, "lr": 1e-3},
        "main": {"epochs": 10, "batch_size": 4, "channels": 32, "lr": 2e-3, "ema_decay": 0.99},
    },
    "standard": {"preprocess": {"size_px": 192}, "syncnet": {"epochs": 30}, "main": {"epochs": 100}},
    "high": {
        "preprocess": {"size_px": 320},
        "syncnet": {"epochs": 50},
        "main": {"epochs": 100, "channels": 96},
        "vits": {"size": "high"},
    },
}
