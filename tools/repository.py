"""The repository's folder, and the order that everything shows as an example: OpenAPI, Insomnia, bench and tests."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NEW_ORDER: dict[str, Any] = json.loads((ROOT / "examples" / "order.json").read_text(encoding="utf-8"))
