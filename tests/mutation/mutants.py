"""The mutants of a source file: each is its text with one change (tests/mutation/__main__.py)."""

import ast
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

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
class Mutant:
    """A source text with one change in it."""

    text: str
    function: str  # the qualified name of the function that was changed; empty outside functions
    description: str


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a source text."""
    text = source.encode()
    offsets = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]
    for node, function in _mutable(ast.parse(source)):
        for first, last, replacement in _replacements(node):
            start = offsets[first.lineno - 1] + first.col_offset
            end = offsets[(last.end_lineno or 0) - 1] + (last.end_col_offset or 0)
            before, replaced, after = text[:start], text[start:end], text[end:]
            if not replacement:  # a part of a list, or a decorator
                before, after = before.removesuffix(b"@"), after.removeprefix(b",")
            mutated = (before + replacement.encode() + after).decode()
            line = mutated.split("\n")[before.count(b"\n")]
            with suppress(SyntaxError):
                compile(mutated, "mutant", "exec")
                yield Mutant(mutated, function, f"{_on_one_line(replaced.decode())} -> {_on_one_line(line)}")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _mutable(
    tree: ast.AST, function: str = "", prefix: str = "", *, in_type: bool = False
) -> Iterator[tuple[ast.AST, str]]:
    """Yield what is run, and the function that it is in; of the types only the calls in them, which are rules."""
    for name, value in ast.iter_fields(tree):
        scope = (function, prefix)
        if name == "body" and isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
            scope = (f"{prefix}{tree.name}", f"{prefix}{tree.name}.<locals>.")
        elif name == "body" and isinstance(tree, ast.ClassDef):
            scope = (function, f"{prefix}{tree.name}.")
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or name == "returns" or _is_left_alone(node):
                continue
            is_type = (in_type or name == "annotation") and not isinstance(node, ast.Call)
            if not is_type:
                yield node, scope[0]
            if not isinstance(node, ast.JoinedStr):
                yield from _mutable(node, *scope, in_type=is_type)


def _is_left_alone(node: ast.AST) -> bool:
    """Whether it is not run: an import, a docstring, a parameter's type or what is for the type checker only."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.arg() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


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
