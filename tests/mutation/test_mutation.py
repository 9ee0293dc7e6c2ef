"""The mutants that `npm run test:mutation` makes of the service."""

import pytest

from tests.mutation.mutants import mutants


@pytest.mark.parametrize(
    ("line", "replaced"),
    [
        ("a = x < 1", ["a = (x <= 1)", "a = x < 2"]),
        ("a = x and y", ["a = (x)", "a = (y)"]),
        ("a = min(x, y)", ["a = max(x, y)"]),
        ("a = f(b=True)", ["a = f()", "a = f(b=False)"]),
        ("a = {x: y, z: y}", ["a = { z: y}", "a = {x: y, }"]),
        ("a = x if y else z", ["a = x if True else z", "a = x if False else z"]),
        ("a.b = 'ä'", ["pass", "a.b = 'äx'"]),
        ("f(x)", ["pass"]),
        ("raise x", ["pass"]),
        ("a: Annotated[int, Field(ge=x)] = y", ["a: Annotated[int, Field()] = y"]),
        ("import a", []),
        ("'''A docstring.'''", []),
    ],
)
def test_each_mutant_changes_one_thing(line: str, replaced: list[str]) -> None:
    assert [mutant.text for mutant in mutants(line)] == replaced


def test_a_mutant_is_described_by_what_it_replaces_and_its_line() -> None:
    [decorator, result] = mutants("class A:\n    @cache\n    def f():\n        return x\n")

    assert (decorator.function, decorator.description) == ("", "cache -> ")
    assert (result.function, result.description) == ("A.f", "return x -> return None")
