"""The includes that take lists, forms and objections do with them what their first line says."""

from django import forms
from django.core.paginator import Paginator
from django.template.loader import render_to_string
from django.test import RequestFactory

from trail.errors import Objection


def render(name, request=None, **context):
    return " ".join(render_to_string(f"components/{name}.html", context, request).split())


class Answer(forms.Form):
    name = forms.CharField(help_text="As people call it.")


def test_a_field_is_bound_to_its_hint_and_its_error():
    html = render("field", field=Answer({"name": ""})["name"])
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'id="id_name_helptext"' in html
    assert 'id="id_name_error"' in html
    assert 'aria-invalid="true"' in html


def test_the_error_summary_leads_to_each_field():
    form = Answer({"name": ""})
    assert '<a href="#id_name">Name</a>: This field is required.' in render("form_errors", form=form)
    assert render("form_errors", form=Answer({"name": "x"})) == ""


def test_an_action_is_greyed_by_its_objections_and_free_without():
    objection = Objection(code="unsigned", sentence="Nobody has signed.", mend="Sign.", link="/sign/")
    greyed = render("action", id="go", label="Release", objections=[objection])
    assert 'type="button" aria-disabled="true" aria-describedby="go-why go-objections"' in greyed
    assert "Nobody has signed." in greyed
    assert 'href="/sign/"' in greyed
    assert 'type="submit"' not in greyed
    free = render("action", id="go", label="Release", objections=[])
    assert 'type="submit"' in free
    assert "aria-disabled" not in free


def test_a_column_head_turns_its_order_and_keeps_the_filters():
    request = RequestFactory().get("/?q=credit&sort=name&page=3")
    up = render("sort_header", request, field="name", label="Model", current="name")
    assert 'aria-sort="ascending"' in up
    assert 'href="?q=credit&amp;sort=-name"' in up
    down = render("sort_header", request, field="name", label="Model", current="-name")
    assert 'aria-sort="descending"' in down
    assert 'href="?q=credit&amp;sort=name"' in down
    assert "aria-sort" not in render("sort_header", request, field="tier", label="Tier", current="name")


def test_the_pager_says_where_and_keeps_the_filters():
    request = RequestFactory().get("/?q=credit&page=2")
    html = render("pager", request, page=Paginator(range(3611), 50).page(2), noun="models")
    assert "51–100 of 3,611 models" in html
    assert "Page 2 of 73" in html
    assert 'href="?q=credit&amp;page=1"' in html
    assert 'href="?q=credit&amp;page=3"' in html


def test_the_poll_ends_with_the_run():
    running = render("progress", id="run-1", state="running", percent=62, poll_url="/runs/1/?fragment")
    assert 'hx-get="/runs/1/?fragment"' in running
    assert 'value="62"' in running
    ended = render("progress", id="run-1", state="succeeded", percent=None, poll_url="")
    assert "hx-get" not in ended
    assert "<progress" not in ended


def test_what_is_not_known_says_so_and_zero_is_known():
    assert "Not stated" in render("fact", label="Owner", value="")
    assert "Not stated" in render("fact", label="Uses personal data", value=None)
    assert "<dd>No</dd>" in render("fact", label="Uses personal data", value=False)
    assert "<dd>0</dd>" in render("fact", label="Open findings", value=0)


def test_a_tier_is_written_the_same_from_a_number_or_a_name():
    for tier in (1, "1", "T1"):
        assert "T1</span>" in render("tier", tier=tier)
    assert "Not tiered" in render("tier", tier=None)


def test_an_error_page_needs_no_context():
    for status in (400, 403, 404, 409, 413, 500):
        assert "<h1>" in render_to_string(f"{status}.html")


def test_a_digest_is_short_to_see_and_whole_to_copy():
    digest = "sha256:" + "0123456789abcdef" * 4
    html = render("digest", value=digest)
    assert ">sha256:012345…cdef</code>" in html
    assert f'data-copy="{digest}"' in html
