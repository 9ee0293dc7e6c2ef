"""The PartiQL statements that the service sends: `UPDATE … SET … REMOVE … WHERE …`, and no others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Item = dict[str, Any]

_STATEMENT = re.compile(r'UPDATE "(?P<table>[^"]+)"(?P<changes>.*) WHERE "order_id"=\?(?P<conditions>.*)')
_CHANGE = re.compile(r' (?:SET "(?P<set>\w+)"=\?|REMOVE "(?P<remove>\w+)")')
_CONDITION = re.compile(r""" AND "(?P<name>\w+)"(?:='(?P<text>[^']*)'|(?P<parameter>=\?)| (?P<missing>IS MISSING))""")


@dataclass(frozen=True)
class UpdateStatement:
    """A statement. The parameters are the values that are set, the key, then those of the conditions."""

    table: str
    sets: tuple[str, ...]
    removes: tuple[str, ...]
    conditions: tuple[Mapping[str, str | None], ...]

    @classmethod
    @cache
    def parse(cls, text: str) -> "UpdateStatement":
        """Read a statement; one of another shape is an error of the simulation, not of the service."""
        statement = _STATEMENT.fullmatch(text)
        if statement is None:
            raise NotImplementedError(text)
        changes = _all(_CHANGE, statement["changes"])
        return cls(
            statement["table"],
            tuple(change["set"] for change in changes if change["set"]),
            tuple(change["remove"] for change in changes if change["remove"]),
            tuple(_all(_CONDITION, statement["conditions"])),
        )

    def key(self, parameters: Sequence[Any]) -> str:
        """Return the order_id."""
        order_id: str = parameters[len(self.sets)]["S"]
        return order_id

    def is_met(self, item: Item, parameters: Sequence[Any]) -> bool:
        """Whether an item fulfils the conditions."""
        values = iter(parameters[len(self.sets) + 1 :])
        return all(_is_met(condition, item, values) for condition in self.conditions)

    def applied(self, item: Item, parameters: Sequence[Any]) -> Item:
        """Return the item as the statement leaves it."""
        changed = item | dict(zip(self.sets, parameters, strict=False))
        return {name: value for name, value in changed.items() if name not in self.removes}


def _all(pattern: re.Pattern[str], text: str) -> list[dict[str, Any]]:
    found = list(pattern.finditer(text))
    if "".join(match[0] for match in found) != text:
        raise NotImplementedError(text)
    return [match.groupdict() for match in found]


def _is_met(condition: Mapping[str, str | None], item: Item, values: Any) -> bool:  # noqa: ANN401  # an iterator
    value = item.get(str(condition["name"]))
    if condition["missing"]:
        return value is None
    return bool(value == (next(values) if condition["parameter"] else {"S": condition["text"]}))
