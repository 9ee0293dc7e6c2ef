"""Notices which files have changed, by looking at them: they are few, so this needs no library."""

from contextlib import suppress
from pathlib import Path


class FileWatch:
    """The files in `root` that match a pattern, also those that are new or deleted."""

    def __init__(self, root: Path, *patterns: str) -> None:
        self._root, self._patterns = root, patterns
        self._known = self._seen = self._look()

    def changed(self) -> set[Path]:
        """Return the files that have changed, once two looks see the same: files saved together are one change."""
        before, self._seen = self._seen, self._look()
        if self._seen != before:
            return set()
        known, self._known = self._known, self._seen
        return {path for path, _ in known ^ self._known}

    def _look(self) -> set[tuple[Path, object]]:
        """Return each file with what an edit of the same size in the same second changes as well."""
        files: set[tuple[Path, object]] = set()
        for path in (path for pattern in self._patterns for path in self._root.glob(pattern)):
            with suppress(FileNotFoundError):  # an editor has just renamed it
                status = path.stat()
                files.add((path, (status.st_mtime_ns, status.st_size, status.st_ino)))
        return files
