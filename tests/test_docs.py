"""What the code says of the documents, and the documents of each other, is there."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CITED = re.compile(r'(?P<path>[\w./-]+\.md)\b(?P<sections>(?:(?:,| and| or)\s*"[^"]+")*)')
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository, those that are about to be added among them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in sorted(listed.stdout.splitlines()) if (path := ROOT / name).is_file()]


def prose(path: Path) -> Iterator[str]:
    """Docstrings, and comments on lines after each other, each in one line."""
    source = path.read_text(encoding="utf-8")
    comments = {}
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                comments[token.start[0]] = token.string
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield " ".join(text.split())
    else:
        for row, line in enumerate(source.splitlines()):
            if (comment := re.search(r"(^|\s)#.*", line)) is not None:
                comments[row] = comment[0].strip()
    blocks: list[str] = []
    for row, comment in comments.items():
        text = comment.lstrip("# ")
        if row - 1 in comments:
            blocks[-1] += f" {text}"
        else:
            blocks.append(text)
    yield from blocks


def headings(path: Path) -> list[str]:
    """Headings of a document, without its blocks of code."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    return [match[1].strip() for match in re.finditer(r"^#+ (.*)$", text, re.MULTILINE)]


def anchor(heading: str) -> str:
    """What a link to a heading ends in."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


CODE = tracked("*.py", "*.yaml", "*.toml", "*.sh", "Makefile", "cluster/Dockerfile")
DOCUMENTS = tracked("*.md")


def test_every_document_and_section_that_the_code_cites_is_there() -> None:
    missing, found = [], 0
    for path in CODE:
        for block in prose(path):
            for cited in CITED.finditer(block):
                found += 1
                document = ROOT / cited["path"]
                sections = re.findall(r'"([^"]+)"', cited["sections"])
                if not document.is_file() or not set(sections) <= set(headings(document)):
                    missing.append(f"{path.relative_to(ROOT)}: {cited[0]}")
    assert missing == []
    assert found > 10


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    broken = []
    for match in LINK.finditer(FENCED.sub("", path.read_text(encoding="utf-8"))):
        target, _, place = match["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue  # elsewhere
        document = path.parent / target if target else path
        if not document.exists() or (place and place not in map(anchor, headings(document))):
            broken.append(match["target"])
    assert broken == []


def test_every_promise_is_held_by_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    table = text.partition("## What is promised\n")[2].partition("\n## ")[0]
    promises = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(promises) > 15
    for promise in promises:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", promise)
        assert named, promise
        for file, test in named:
            source = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), f"{file}::{test}"
