"""What the documents point at is there."""

import ast
import hashlib
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "assets" / "SOURCES.md"]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_to_files(page):
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


def test_the_sums_of_the_assets_are_theirs():
    said = dict(re.findall(r"^\| `([\w.-]+)` \| `([0-9a-f]{64})` \|$", PAGES[-1].read_text("utf-8"), re.MULTILINE))
    assets = [path for path in sorted(PAGES[-1].parent.iterdir()) if path.suffix != ".md"]
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in assets} == said


def test_the_tests_that_vouch_for_our_column_exist():
    named = set(TEST.findall((ROOT / "docs" / "rivals.md").read_text("utf-8")))
    assert len(named) > 20
    for path, function in sorted(named):
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{function}"


def test_what_we_claim_to_have_is_vouched_for():
    lines = (ROOT / "docs" / "rivals.md").read_text("utf-8").splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    wide = [row for row in rows if len(row) == 16 and row[14].strip() in ("Y", "p", "-")]
    assert len(wide) > 20
    for row in wide:
        assert bool(TEST.search(row[15])) == (row[14].strip() != "-"), row[0]


def test_every_template_has_a_thumbnail_and_a_graph_picture_that_the_readme_shows():
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in sorted((ROOT / "workflows").glob("*.json")):
        thumbnail, graph = path.with_suffix(".jpg"), ROOT / "docs" / "graphs" / f"{path.stem[:2]}.jpg"
        assert path.stem in readme and f"docs/graphs/{path.stem[:2]}.jpg" in readme
        for picture in (thumbnail, graph):
            assert picture.stat().st_size <= 150_000, picture.name
            Image.open(picture).verify()


def test_consent_is_asked_for_at_the_top_and_where_identities_are_read():
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()[:20]
    page = (ROOT / "web" / "docs" / "DiffSFSREncodeIdentity.md").read_text("utf-8")
    for text in ("\n".join(readme), page):
        assert "agreed" in text and "law" in text
