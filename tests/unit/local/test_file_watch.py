"""How changed files are noticed."""

import os
from pathlib import Path

from local.lambda_.file_watch import FileWatch


def test_files_saved_together_are_one_change_once_they_stay_as_they_are(tmp_path: Path) -> None:
    same, gone, new, other = (tmp_path / name for name in ("same.py", "gone.py", "new.py", "other.txt"))
    same.write_text("1")
    gone.touch()
    os.utime(same, ns=(0, 10**9))
    watch = FileWatch(tmp_path, "*.py")

    same.write_text("2")
    os.utime(same, ns=(0, 10**9 + 1))  # an edit of the same size in the same second
    first = watch.changed()
    gone.unlink()
    new.touch()
    other.touch()
    second = watch.changed()

    assert first == second == set()
    assert watch.changed() == {same, gone, new}
    assert watch.changed() == set()
