"""`npm run test:mutation [-- FILE…]`: runs the unit tests on mutants: functions/ and shared/ with one change each.

A mutant that no test sees must be listed with its reason in survivors.txt. mutmut, the usual tool for this, skips
decorated functions and everything outside functions: here the handlers, and the rules of the models.
"""

import argparse
import gc
import importlib.abc
import importlib.util
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import hypothesis
import pytest

from tests.mutation.mutants import Mutant, mutants
from tools.repository import ROOT

SURVIVORS = Path(__file__).with_name("survivors.txt")
OF_SERVICE = re.compile(r"^(?:from|import) (?:functions|shared)\b", re.MULTILINE)
LEAST_KILLED = 0.9
OPTIONS = [
    *("-x", "-p", "no:cacheprovider", "-p", "no:terminal", "--no-cov"),
    "--timeout=10",  # a mutant may make a test hang
    "-Wignore:Module already imported:pytest.PytestAssertRewriteWarning",
    "-Wignore:Unknown config option:pytest.PytestConfigWarning",  # of the terminal's plugin
    "-knot test_the_schema_is_as_strict_as_the_service",  # takes 10 s, and others see the same mutants
]


class MutantImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in place of the file itself."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._name = ".".join(path.relative_to(ROOT).with_suffix("").parts)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, self._path, "exec"), module.__dict__)  # noqa: S102


class MutationTest:
    """A pytest plugin: runs the collected tests once, then on each mutant those that call the changed function."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.total = 0
        self.survivors: list[str] = []
        self._paths = paths
        self._tests: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        self._functions: defaultdict[str, list[FunctionType]] = defaultdict(list)
        self._seconds: dict[pytest.Item, float] = {}
        self._has_failed = False
        self._running: dict[int, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._has_failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._run_unchanged(session.items)
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                self._functions[function.__code__.co_filename].append(function)
        gc.freeze()  # so that the processes of the mutants do not go through all objects again
        for path in self._paths:
            started_at, before = time.monotonic(), len(self.survivors)
            found = list(mutants(path.read_text(encoding="utf-8")))
            for mutant in found:
                if len(self._running) == (os.cpu_count() or 1):
                    self._wait()
                self._start(path, mutant)
            while self._running:
                self._wait()
            self.total += len(found)
            seen, seconds = len(found) - len(self.survivors) + before, time.monotonic() - started_at
            _say(f"{path.relative_to(ROOT)}: {seen} of {len(found)} mutants seen, {seconds:.0f} s")
        return True

    def _run_unchanged(self, items: Sequence[pytest.Item]) -> None:
        """Find out which functions a test calls, and how long it takes."""
        called: set[str] = set()

        def start(code: CodeType, _: int) -> object:
            if code.co_filename.startswith((f"{ROOT}/shared/", f"{ROOT}/functions/")):
                called.add(_name(code))
            return sys.monitoring.DISABLE

        sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "mutation")
        sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, sys.monitoring.events.PY_START, start)
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, sys.monitoring.events.PY_START)
        for item, following in zip(items, [*items[1:], None], strict=True):
            started_at = time.monotonic()
            sys.monitoring.restart_events()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            self._seconds[item] = time.monotonic() - started_at
            for name in called:
                self._tests[name].append(item)
            called.clear()
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, sys.monitoring.events.NO_EVENTS)
        sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        if self._has_failed or self._is_seen_afresh(self._paths[0]):
            _say("The tests fail on the unchanged code.")
            pytest.exit(returncode=1)

    def _is_seen_afresh(self, path: Path) -> bool:
        """Whether a test fails when everything is imported anew, unchanged."""
        self._start(path, Mutant(path.read_text(encoding="utf-8"), "", "unchanged"))
        _, status = os.wait()
        self._running.clear()
        return status != 0

    def _start(self, path: Path, mutant: Mutant) -> None:
        """Run the tests on a mutant, in a process of their own, which ends with 0 if none of them fails."""
        process = os.fork()
        if process:
            self._running[process] = f"{path.relative_to(ROOT)}: {mutant.description}"
            return
        is_seen = True
        try:
            os.dup2(1, 2)
            tests = self._tests[f"{path}:{mutant.function}"]
            if tests and _put_into_functions(path, mutant.text, self._functions[str(path)]):
                is_seen = self._run(sorted(tests, key=lambda item: self._seconds[item]))
            else:
                is_seen = _run_afresh(path, mutant.text)
        finally:
            os._exit(int(is_seen))

    def _run(self, items: Sequence[pytest.Item]) -> bool:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._has_failed:
                return True
        return False

    def _wait(self) -> None:
        process, status = os.wait()
        description = self._running.pop(process).rstrip()
        if status == 0:
            self.survivors.append(description)
            if description not in listed():
                _say(f"  not seen: {description}")


def _say(line: str) -> None:
    os.write(TERMINAL, f"{line}\n".encode())


def _name(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_qualname}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code and all that is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _put_into_functions(path: Path, text: str, functions: Sequence[FunctionType]) -> bool:
    """Give the functions that are imported the code of the mutant; False if Python cannot."""
    before, after = (list(_codes(compile(source, path, "exec"))) for source in (path.read_text(encoding="utf-8"), text))
    if [_name(code) for code in before] != [_name(code) for code in after]:
        return False
    replacements = dict(zip(before, after, strict=True))
    try:
        for function in functions:
            function.__code__ = replacements.get(function.__code__, function.__code__)
    except ValueError:  # it has other variables around it now
        return False
    return True


def _run_afresh(path: Path, text: str) -> bool:
    """Import everything anew with the mutant: first for the tests that name the file, then for the others."""
    for name in list(sys.modules):
        if name.partition(".")[0] in {"shared", "functions", "local", "tools", "bench", "simulation", "tests"}:
            del sys.modules[name]
    sys.meta_path.insert(0, MutantImporter(path, text))
    own = [test for test in unit_tests() if path.stem in test.stem]
    others = [test for test in unit_tests() if test not in own]
    return any(pytest.main([*OPTIONS, *map(str, tests)]) for tests in (own, others) if tests)


def unit_tests() -> list[Path]:
    """Find the unit tests that import the service."""
    tests = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))
    return [test for test in tests if OF_SERVICE.search(test.read_text(encoding="utf-8"))]


def listed() -> set[str]:
    """Read the survivors that have a reason: it stands indented below them."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith((" ", "#"))}


TERMINAL = os.dup(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    The exit code: 1 if a survivor is not listed, if a listed one is seen, or if too few are seen.
    """
    parser = argparse.ArgumentParser(prog="npm run test:mutation --", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="of functions/ and shared/; all if none is named")
    paths = [path.resolve() for path in parser.parse_args(arguments).files]
    paths = paths or sorted([*(ROOT / "shared").glob("*.py"), *(ROOT / "functions").glob("[!_]*.py")])

    hypothesis.settings.register_profile("mutation", database=None, derandomize=True, max_examples=10)
    hypothesis.settings.load_profile("mutation")
    test = MutationTest(paths)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the tests print
    code = pytest.main([*OPTIONS, *map(str, unit_tests())], plugins=[test])
    if code:
        return int(code)
    seen = 1 - len(test.survivors) / test.total
    _say(f"The unit tests see {seen:.1%} of {test.total} mutants.")
    names = {str(path.relative_to(ROOT)) for path in paths}
    outdated = {line for line in listed() - set(test.survivors) if line.partition(":")[0] in names}
    for line in sorted(outdated):
        _say(f"Remove from {SURVIVORS.relative_to(ROOT)}, it is seen now: {line}")
    return int(bool(outdated or set(test.survivors) - listed()) or seen < LEAST_KILLED)


if __name__ == "__main__":
    sys.exit(main())
