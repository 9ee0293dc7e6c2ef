"""What the documents show exists: links, anchors, commands, code, tests and log lines."""

import ast
import json
import re
from pathlib import Path

import pytest

from shared.observability import Metric
from tests.markdown import README as ENGLISH
from tests.markdown import anchors, blocks, code, documents, headings, links, prose, rows
from tools.repository import ROOT

PORTUGUESE = ROOT / "README.pt-BR.md"
SOURCES = [*ROOT.glob("functions/*.py"), *ROOT.glob("shared/*.py")]
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
NPM = re.compile(r"(?:`|\$ )(?:npm (?:run )?([a-z][a-z0-9:]*)|(test:[a-z0-9]+)`)")


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def failures() -> list[list[str]]:
    table = [row for row in rows(ROOT / "docs/reliability.md") if len(row) == 5]
    assert table[0][-1] == "proof"
    return table[1:]


@pytest.mark.parametrize("document", documents(), ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(prose(document)):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_links_to_every_page() -> None:
    linked = {ROOT / link for link in links(prose(ENGLISH))}

    assert [name(document) for document in documents() if document not in linked | {ENGLISH}] == []


@pytest.mark.parametrize("document", documents(), ids=name)
def test_every_npm_command_is_a_script(document: Path) -> None:
    scripts = json.loads((ROOT / "package.json").read_text())["scripts"]
    shown = {"".join(found) for found in NPM.findall(document.read_text())}

    assert shown - scripts.keys() == set()


@pytest.mark.parametrize("language", ["mermaid", "console", "python"])
def test_both_readmes_show_the_same_code_and_commands(language: str) -> None:
    assert blocks(PORTUGUESE, language) == blocks(ENGLISH, language)


def test_both_readmes_have_the_same_sections_links_and_layout() -> None:
    levels = [[level for level, _ in headings(readme)] for readme in (ENGLISH, PORTUGUESE)]
    targets = [links(re.sub(r".*README.*\n", "", prose(readme))) for readme in (ENGLISH, PORTUGUESE)]
    paths = [[line.split()[0] for line in blocks(readme, "text")[0].splitlines()] for readme in (ENGLISH, PORTUGUESE)]

    assert levels[1] == levels[0]
    assert targets[1] == targets[0]
    assert paths[1] == paths[0]


def test_the_rows_of_both_readmes_say_the_same_in_code_links_and_numbers() -> None:
    def facts(cell: str) -> tuple[list[str], list[str], set[str]]:
        return code(cell), links(cell), {re.sub("[.,]", "", number) for number in NUMBER.findall(cell)}

    english, portuguese = ([[facts(cell) for cell in row] for row in rows(readme)] for readme in (ENGLISH, PORTUGUESE))

    assert portuguese == english


def test_the_layout_names_folders_and_files_that_exist() -> None:
    (layout,) = blocks(ENGLISH, "text")

    for line in layout.splitlines():
        assert (ROOT / line.split()[0]).exists(), line


def test_the_code_in_the_readme_is_the_code() -> None:
    (shown,) = blocks(ENGLISH, "python")
    heading, _, lines = shown.partition("\n")

    assert lines in (ROOT / heading.removeprefix("# ")).read_text()


@pytest.mark.parametrize("failure", failures(), ids=lambda failure: failure[0])
def test_every_failure_names_a_test_that_exists(failure: list[str]) -> None:
    tests = code(failure[-1])

    assert tests
    for node in tests:
        path, _, function = node.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert function in [item.name for item in tree.body if isinstance(item, ast.FunctionDef)], node


def test_every_powertools_feature_is_in_its_file() -> None:
    document = ROOT / "docs/powertools.md"

    for feature, _, file, _ in (row for row in rows(document) if links(row[2])):
        text = (document.parent / links(file)[0]).read_text()
        assert all(word in text for word in code(feature)), feature


def test_every_metric_is_explained() -> None:
    metrics = [
        name for row in rows(ROOT / "docs/tracing.md") if row[1] in {"count", "seconds"} for name in code(row[0])
    ]

    assert sorted(metrics) == sorted(Metric)


def test_every_log_line_is_explained() -> None:
    explained = {code(row[0])[0] for row in rows(ROOT / "docs/tracing.md") if row[1] in {"INFO", "WARNING", "ERROR"}}
    trees = [ast.parse(source.read_text()) for source in SOURCES]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    logged = {
        call.args[0].value
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger.")
        if call.args and isinstance(call.args[0], ast.Constant)
    }

    assert len(logged) > 5
    assert logged <= explained <= texts
