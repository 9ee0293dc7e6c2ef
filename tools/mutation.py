"""`npm run test:mutation [-- FILE…]`: runs the unit tests on functions/ and shared/ with one fault at a time in them.

A fault that no test sees must be listed with its reason in tests/survivors.txt. mutmut, the usual tool for this, skips
decorated functions and everything outside functions: here the handlers, and the rules of the models.
"""

import argparse
import ast
import importlib.abc
import importlib.util
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from itertools import accumulate
from pathlib import Path
from types import ModuleType

import boto3
import hypothesis
import moto  # noqa: F401  # this one and those below: imported here, and not once for each fault
import openapi_spec_validator  # noqa: F401
import pytest
import schemathesis  # noqa: F401

ROOT = Path(__file__).parents[1]
SURVIVORS = ROOT / "tests" / "survivors.txt"
OF_SERVICE = re.compile(r"^(?:from|import) (?:functions|shared)\b", re.MULTILINE)
OPENAPI_TESTS = ROOT / "tests" / "unit" / "test_openapi.py"
SLOW_TEST = "test_the_schema_is_as_strict_as_the_service"  # 10 s, and the others see the same faults
LEAST_KILLED = 0.9
LONGEST_SECONDS = 20

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
}
_SWAPPED_NAMES = {"min": "max", "max": "min"}


type Part = ast.expr | ast.stmt | ast.keyword


@dataclass(frozen=True)
class Fault:
    """A source text with one fault in it."""

    text: str
    description: str


def faults(source: str) -> Iterator[Fault]:
    """Yield every fault that can be put into a source text."""
    lines = source.encode().splitlines(keepends=True)
    offsets = [0, *accumulate(len(line) for line in lines)]
    for node in _mutable(ast.parse(source)):
        for first, last, replacement in _replacements(node):
            start = offsets[first.lineno - 1] + first.col_offset
            end = offsets[(last.end_lineno or 0) - 1] + (last.end_col_offset or 0)
            fault = _replaced(source.encode(), start, end, replacement)
            with suppress(SyntaxError):
                compile(fault.text, "fault", "exec")
                yield fault


def _replaced(source: bytes, start: int, end: int, replacement: str) -> Fault:
    before, replaced, after = source[:start], source[start:end], source[end:]
    if not replacement:  # a part of a list, or a decorator
        before, after = before.removesuffix(b"@"), after.removeprefix(b",")
    text = (before + replacement.encode() + after).decode()
    line = text.split("\n")[before.count(b"\n")]
    return Fault(text, f"{_on_one_line(replaced.decode())} -> {_on_one_line(line)}")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _mutable(tree: ast.AST, *, in_type: bool = False) -> Iterator[ast.AST]:
    """Yield what is run: no imports, no docstrings, and of the types only the calls in them, which are rules."""
    for name, value in ast.iter_fields(tree):
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, ast.arg | ast.Import | ast.ImportFrom):
                continue
            if name == "returns" or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
                continue
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            is_type = (in_type or name == "annotation") and not isinstance(node, ast.Call)
            if not is_type:
                yield node
            if not isinstance(node, ast.JoinedStr):
                yield from _mutable(node, in_type=is_type)


def _replacements(node: ast.AST) -> Iterator[tuple[Part, Part, str]]:  # noqa: C901, PLR0912  # one case for each kind
    """Yield the first and the last part to replace, and the text for them; without text they leave their list."""
    match node:
        case ast.Constant(value=bool(value)):
            yield node, node, str(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, node, str(value + 1)
        case ast.Constant(value=str(value)) if value:
            yield node, node, repr(f"{value}x")
        case ast.JoinedStr():
            yield node, node, "''"
        case ast.Name(id=name) if name in _SWAPPED_NAMES:
            yield node, node, _SWAPPED_NAMES[name]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _SWAPPED:
            yield node, node, f"({ast.unparse(ast.Compare(left, [_SWAPPED[type(op)]()], [right]))})"  # type: ignore[list-item]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SWAPPED:
            yield node, node, f"({ast.unparse(ast.BinOp(left, _SWAPPED[type(op)](), right))})"  # type: ignore[arg-type]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from ((node, node, ast.unparse(side)) for side in (left, right))
        case ast.BoolOp(values=values):
            yield from ((node, node, f"({ast.unparse(value)})") for value in values)
        case ast.UnaryOp(operand=operand):
            yield node, node, f"({ast.unparse(operand)})"
        case ast.Call(keywords=keywords):
            yield from ((keyword, keyword, "") for keyword in keywords)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            yield from ((element, element, "") for element in elements if len(elements) > 1)
        case ast.Dict(keys=keys, values=values):
            yield from (
                (value if key is None else key, value, "{}" if key is None else "")
                for key, value in zip(keys, values, strict=True)
            )
        case ast.If(test=test) | ast.IfExp(test=test):
            yield from ((test, test, value) for value in ("True", "False"))
        case ast.While(test=test):
            yield test, test, "False"
        case ast.comprehension(ifs=ifs):
            yield from ((test, test, "True") for test in ifs)
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield node, node, "return None"
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete() | ast.Break() | ast.Continue():
            yield node, node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, node, "pass"
    for decorator in getattr(node, "decorator_list", []):
        yield decorator, decorator, ""


class FaultImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a file with a fault in place of the file itself."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, self._path, "exec"), module.__dict__)  # noqa: S102


def _tests(path: Path) -> list[str]:
    """The tests of the service, those first that name the file; those of the OpenAPI document only if they name it."""
    texts = {test: test.read_text(encoding="utf-8") for test in sorted((ROOT / "tests" / "unit").glob("test_*.py"))}
    names = {test for test, text in texts.items() if path.stem in text}
    of_service = {test for test, text in texts.items() if OF_SERVICE.search(text)}
    tests = of_service if OPENAPI_TESTS in names else of_service - {OPENAPI_TESTS}
    return [str(test) for test in sorted(tests, key=lambda test: (test == OPENAPI_TESTS, test not in names, test))]


def _start(path: Path, text: str, tests: Sequence[str]) -> int:
    """Run the tests on a file with a fault, in a process of their own."""
    process = os.fork()
    if process:
        return process
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    sys.meta_path.insert(0, FaultImporter(path, text))
    limit = f"--timeout={LONGEST_SECONDS}"  # a fault may make a test hang
    os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", limit, "-k", f"not {SLOW_TEST}", *tests])))


def survivors_of(path: Path) -> tuple[int, list[str]]:
    """Count the faults of a file, and return those that the tests do not see."""
    tests = _tests(path)
    running: dict[int, str] = {}
    survivors = []

    def wait() -> None:
        process, status = os.wait()
        description = running.pop(process)
        if status == 0:
            survivors.append(f"{path.relative_to(ROOT)}: {description}")

    all_faults = list(faults(path.read_text(encoding="utf-8")))
    for fault in all_faults:
        if len(running) == (os.cpu_count() or 1):
            wait()
        running[_start(path, fault.text, tests)] = fault.description
    while running:
        wait()
    return len(all_faults), survivors


def listed() -> set[str]:
    """Read the survivors that have a reason: it stands indented below them."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith((" ", "#"))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    The exit code: 1 if a survivor is not listed, if a listed one is killed, or if too few are killed.
    """
    parser = argparse.ArgumentParser(prog="npm run test:mutation --", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="of functions/ and shared/; all if none is named")
    files = [path.resolve() for path in parser.parse_args(arguments).files]
    everything = sorted([*(ROOT / "shared").glob("*.py"), *(ROOT / "functions").glob("*.py")])

    hypothesis.settings.register_profile("mutation", database=None, derandomize=True)
    hypothesis.settings.load_profile("mutation")
    boto3.client("dynamodb", region_name="us-east-1")  # reads its model, which is then in every fork
    total, survivors = 0, list[str]()
    for path in files or everything:
        started_at = time.monotonic()
        count, found = survivors_of(path)
        total += count
        survivors += found
        name, seconds = path.relative_to(ROOT), time.monotonic() - started_at
        print(f"{name}: {count - len(found)} of {count} faults seen, {seconds:.0f} s", flush=True)
        for description, times in sorted(Counter(found).items()):
            if description not in listed():
                print(f"  not seen{f' ({times} times)' if times > 1 else ''}: {description}", flush=True)
    killed = 1 - len(survivors) / total if total else 1
    print(f"The unit tests see {killed:.1%} of {total} faults.")
    unlisted = set(survivors) - listed()
    names = {str(path.relative_to(ROOT)) for path in files or everything}
    outdated = {line for line in listed() - set(survivors) if line.partition(":")[0] in names}
    for line in sorted(outdated):
        print(f"Remove from {SURVIVORS.relative_to(ROOT)}, it is seen now: {line}")
    return int(bool(unlisted or outdated) or killed < LEAST_KILLED)


if __name__ == "__main__":
    sys.exit(main())
