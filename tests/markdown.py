"""Reads what the documents of this repository show: links, headings, tables, code and commands."""

import re
from collections.abc import Iterator
from pathlib import Path

from tools.repository import ROOT

README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"`[^`]+`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


def documents() -> list[Path]:
    """The documents of the repository."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def prose(document: Path) -> str:
    """The text without code blocks and comments."""
    return _COMMENT.sub("", _BLOCK.sub("", document.read_text()))


def blocks(document: Path, language: str) -> list[str]:
    """The code blocks in a language."""
    return [code for name, code in _BLOCK.findall(document.read_text()) if name == language]


def headings(document: Path) -> list[tuple[int, str]]:
    """The headings: their levels and texts."""
    return [(len(level), text) for level, text in _HEADING.findall(prose(document))]


def anchors(document: Path) -> set[str]:
    """The headings as GitHub links to them."""
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in headings(document)}


def links(text: str) -> list[str]:
    """Where links and images lead."""
    return _LINK.findall(text)


def code(text: str) -> list[str]:
    """What is marked as code within the text."""
    return [found.strip("`") for found in _CODE.findall(text)]


def rows(document: Path) -> list[list[str]]:
    """The cells of every row of every table, header rows included."""
    lines = (line for line in prose(document).splitlines() if line.startswith("|"))
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [row for row in cells if not set("".join(row)) <= set("- ")]


def commands(document: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands of the console blocks, each with the lines that it is shown to print."""
    for block in blocks(document, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            text, *output = part.splitlines()
            yield text, [line for line in output if line]
