"""What a stream mapping reports while it runs, for the terminal and the order page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MappingEvent:
    """One line about a batch or a shard; `lane` is the number of the batch's lane, None if it is about a shard."""

    message: str
    level: Literal["WARNING", "ERROR"] = "WARNING"
    lane: int | None = None


OnEvent = Callable[[MappingEvent], None]
