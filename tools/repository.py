"""The repository's folder, and the order that everything shows as an example: OpenAPI, Insomnia, bench and tests."""

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NEW_ORDER: dict[str, Any] = json.loads((ROOT / "examples" / "order.json").read_text(encoding="utf-8"))


def callers_path(text: str) -> Path:
    """Return the path that the caller of an npm script means: the script runs in the clone, wherever the caller is."""
    return Path(os.environ.get("INIT_CWD", ""), Path(text).expanduser())
