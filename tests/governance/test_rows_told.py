"""After a whole story every row in every room is as the trail last told it."""

from __future__ import annotations

import pytest

from tests.governance.story import Story
from trail import checkpoints, fsck

pytestmark = pytest.mark.django_db


def test_a_release_and_all_that_led_to_it_left_an_image_of_every_row(story: Story, scorecard_file: bytes) -> None:
    story.released()
    story.next_version(scorecard_file + b"\n")
    checkpoints.current()
    report = fsck.examine(with_rows=True)
    assert [str(finding) for finding in report.findings] == []
    assert report.read["governed rows"] > 30
