"""The index `due-orders` in memory: the keys of what is PENDING, for each bucket by the time when it is due."""

import bisect
from collections import defaultdict
from typing import NamedTuple


class Key(NamedTuple):
    """An entry of the index."""

    bucket: str
    due_at: str
    order_id: str


class DueOrders:
    """A sorted list for each bucket. Entries are mostly added at its end and removed at its beginning: both are quick.

    What was removed from the beginning of a list stays in it, before `_first`, until that is half of the list.
    """

    def __init__(self) -> None:
        self._entries: defaultdict[str, list[Key]] = defaultdict(list)
        self._first: defaultdict[str, int] = defaultdict(int)

    def change(self, before: Key | None, after: Key | None) -> None:
        """Replace an entry, or add or remove one."""
        if before:
            self._remove(before)
        if after:
            bisect.insort(self._entries[after.bucket], after, lo=self._first[after.bucket])

    def page(self, bucket: str, due_by: str, position: Key | None, limit: int) -> list[Key]:
        """Return up to `limit` entries that are due by then, those after a position."""
        entries = self._entries[bucket]
        start = bisect.bisect_right(entries, position, lo=self._first[bucket]) if position else self._first[bucket]
        page = entries[start : start + limit]
        if page and page[-1].due_at > due_by:
            page = [entry for entry in page if entry.due_at <= due_by]
        return page

    def _remove(self, entry: Key) -> None:
        entries, first = self._entries[entry.bucket], self._first[entry.bucket]
        at = bisect.bisect_left(entries, entry, lo=first)
        if at - first > len(entries) - at:  # nearer to the end
            del entries[at]
            return
        entries[first + 1 : at + 1] = entries[first:at]
        first += 1
        if first > len(entries) // 2:
            del entries[:first]
            first = 0
        self._first[entry.bucket] = first
