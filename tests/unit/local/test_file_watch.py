"""How changed files are noticed."""

import os
from pathlib import Path

import pytest

from local.lambda_.file_watch import FileWatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "two.py").write_text("2")
    return tmp_path


def test_files_saved_together_are_one_change_once_they_stay_as_they_are(folder: Path) -> None:
    watch = FileWatch(folder, "*.py")
    (folder / "one.py").write_text("new")
    first = watch.changed()
    (folder / "two.py").unlink()
    (folder / "three.py").write_text("3")
    second = watch.changed()

    assert first == second == set()
    assert watch.changed() == {folder / "one.py", folder / "two.py", folder / "three.py"}
    assert watch.changed() == set()


def test_an_edit_of_the_same_size_in_the_same_second_is_a_change(folder: Path) -> None:
    os.utime(folder / "one.py", ns=(0, 10**9))
    watch = FileWatch(folder, "*.py")

    (folder / "one.py").write_text("2")
    os.utime(folder / "one.py", ns=(0, 10**9 + 1))
    watch.changed()

    assert watch.changed() == {folder / "one.py"}


def test_other_files_do_not_count(folder: Path) -> None:
    watch = FileWatch(folder, "*.py")

    (folder / "one.txt").touch()
    watch.changed()

    assert watch.changed() == set()
