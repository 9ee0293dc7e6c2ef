"""The order that everything shows as an example: OpenAPI, Insomnia, the benchmark and the tests."""

import json
from typing import Any

from local.service import ROOT

NEW_ORDER: dict[str, Any] = json.loads((ROOT / "examples" / "order.json").read_text(encoding="utf-8"))
