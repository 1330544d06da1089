"""Four renderings of one card: what people wrote stays text in each of them, and the PDF is the same each time."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pypdfium2
import pytest
import yaml

from people.models import User
from registry import cards as writing
from registry import inventory
from reports import cards, documents
from reports.cards.markdown import escaped, paragraphs
from tests.personas import WHY

pytestmark = pytest.mark.django_db

HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(2)>
[click](javascript:alert(3)) ![pixel](https://evil.example/p.png) <https://evil.example>
---
license: stolen
# A heading
* a list
1. another
`code` | cell | {{ card.title }} {% now "Y" %}
www.evil.example & &lt;b&gt;
=== """
NAME = 'Score: "x"\n---\nlicense: stolen # <b>bold</b>'


@pytest.fixture
def hostile(version: Any, developer: User, owner: User) -> cards.Card:
    for section in writing.TITLES:
        writing.write_section(version=version, section=section, text=HOSTILE, actor=developer, reason=WHY)
    fields = {"limitations": HOSTILE, "name": " ".join(NAME.split())}
    inventory.update(model=version.model, fields=fields, actor=owner, reason=WHY)
    version.model.refresh_from_db()
    return cards.card(version)


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in {"href", "src"} or name.startswith("on")]


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_bounded() for page in document]
    document.close()
    return " ".join(" ".join(pages).split())


def front_matter(markdown: str) -> tuple[dict[str, Any], str]:
    _, metadata, body = re.split(r"^---\n", markdown, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(metadata), body


def test_html_shows_hostile_text_as_text(hostile: cards.Card) -> None:
    html = cards.as_html(hostile)
    found = Elements(html)
    assert not {"script", "img", "b", "a", "iframe"} & set(found.tags)
    assert found.links == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ card.title }}" in html


def test_html_allows_its_own_style_and_nothing_else(hostile: cards.Card) -> None:
    html = cards.as_html(hostile)
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
    style = html.split("<style>")[1].split("</style>")[0]
    assert style == documents.style()["style"]
    assert not re.search(r"url\(|@import|https?://", style)


def test_markdown_gives_hostile_text_no_meaning(hostile: cards.Card) -> None:
    metadata, body = front_matter(cards.as_markdown(hostile))
    assert "license" not in metadata
    assert metadata["tags"] == ["model-card"]
    assert "<script" not in body
    assert "<img" not in body
    assert not re.search(r"(?<!\\)\]\(", body)
    assert "https://" not in body
    headings = [line for line in body.splitlines() if re.match(r"#{1,6} ", line)]
    assert "# A heading" not in headings
    assert not [line for line in body.splitlines() if re.fullmatch(r"(---+|===+)\s*", line)]


def test_json_holds_hostile_text_as_it_was_written(hostile: cards.Card) -> None:
    content = json.loads(cards.as_json(hostile))
    texts = [
        item["value"] for section in content["sections"] for item in section["items"] if item["label"] == "In words"
    ]
    assert texts == [HOSTILE.strip()] * len(writing.TITLES)


def test_the_pdf_can_be_read_and_is_the_same_each_time(hostile: cards.Card) -> None:
    pdf = cards.as_pdf(hostile)
    text = text_of(pdf)
    assert "Model card" in text
    assert "<script>alert(1)</script>" in text
    assert "Not stated" in text
    assert "Page 1 of" in text
    assert b'pdfaid:part="3" pdfaid:conformance="A"' in pdf
    assert pdf == cards.as_pdf(hostile)


def test_a_document_fetches_nothing() -> None:
    for address in ("https://evil.example/x.png", "file:///etc/passwd", "data:image/png;base64,AAAA"):
        with pytest.raises(RuntimeError, match="reads nothing but what it holds"):
            documents.pdf(f'<img src="{address}">', identity=b"x")


def test_the_model_index_has_the_structure_hugging_face_documents(version: Any, performance: Any) -> None:
    metadata, _ = front_matter(cards.as_markdown(cards.card(version)))
    assert metadata["library_name"] == "sklearn"
    [index] = metadata["model-index"]
    [result] = index["results"]
    assert index["name"] == "Credit scorecard v1"
    assert result["task"] == {"type": "tabular-classification", "name": "Tabular Classification"}
    assert {"type", "name"} <= set(result["dataset"])
    recorded = json.loads(bytes(performance.record))["result"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["roc_auc"] == recorded["auc"]["value"]
    assert values["accuracy"] == recorded["accuracy"]["value"]
    assert {metric["args"]["run"] for metric in result["metrics"]} == {str(performance.pk)}
    assert set(metadata["metrics"]) == set(values)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain words, 3.5 and 50%", "plain words, 3.5 and 50%"),
        ("a_b * c", "a\\_b \\* c"),
        ("[a](b)", "\\[a\\](b)"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("1. first", "1\\. first"),
        ("- point", "\\- point"),
        ("# head", "\\# head"),
        ("0.5 is not a list", "0.5 is not a list"),
        ("two\x00 \x1blines\x85in one", "two lines in one"),
    ],
)
def test_one_line_of_text_is_escaped(written: str, shown: str) -> None:
    assert escaped(written) == shown


def test_paragraphs_stay_paragraphs() -> None:
    assert paragraphs("one\n\n\n\ntwo\n    indented") == "one\n\ntwo\nindented"
