from __future__ import annotations

import pytest

from registry import inventory, lineage, versions
from registry.models import Lineage
from tests.personas import WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db
Kind = Lineage.Kind


def connect(kind, source, target, actor):
    return lineage.connect(kind=kind, source=source, target=target, actor=actor, reason=WHY)


@pytest.fixture
def chain(bank, owner):
    return [inventory.register(unit=bank.retail, name=name, fields={}, actor=owner, reason=WHY) for name in "ABC"]


def test_an_edge_reads_as_a_sentence(chain, version, dataset, owner):
    assert str(connect(Kind.FEEDS, chain[0], chain[1], owner)) == "A feeds B"
    edge = connect(Kind.EVALUATED_ON, dataset, version, owner)
    assert str(edge) == "Credit scorecard v1 was evaluated on German credit"
    last = Entry.objects.order_by("-pk")[0]
    assert last.sentence == "Olga Owner recorded that Credit scorecard v1 was evaluated on German credit"


def test_nothing_comes_from_itself(chain, version, owner):
    for kind, end in ((Kind.FEEDS, chain[0]), (Kind.DERIVED_FROM, version)):
        with pytest.raises(BadInput, match="can’t come from itself"):
            connect(kind, end, end, owner)


def test_a_circle_is_refused_however_long(chain, owner):
    connect(Kind.FEEDS, chain[0], chain[1], owner)
    connect(Kind.FEEDS, chain[1], chain[2], owner)
    with pytest.raises(BadInput, match="C itself comes from A, so this would be a circle"):
        connect(Kind.FEEDS, chain[2], chain[0], owner)
    assert Lineage.objects.count() == 2


def test_an_edge_is_recorded_once(chain, owner):
    connect(Kind.FEEDS, chain[0], chain[1], owner)
    with pytest.raises(BadInput, match="on record already that A feeds B") as twin:
        connect(Kind.FEEDS, chain[0], chain[1], owner)
    assert twin.value.status == 409


def test_each_kind_has_its_ends(chain, dataset, version, owner):
    with pytest.raises(BadInput, match="trained_on goes from a dataset to a version"):
        connect(Kind.TRAINED_ON, version, version, owner)
    with pytest.raises(BadInput, match="feeds goes from a model to a model"):
        connect(Kind.FEEDS, dataset, chain[0], owner)


def test_a_source_one_may_not_see_is_not_there(chain, outsider):
    theirs = inventory.register(unit=outsider.unit, name="D", fields={}, actor=outsider, reason=WHY)
    with pytest.raises(BadInput, match=r"There is no model .* that you may see"):
        connect(Kind.FEEDS, chain[0], theirs, outsider)


def test_an_auditor_may_not_connect(chain, auditor):
    with pytest.raises(Refused):
        connect(Kind.FEEDS, chain[0], chain[1], auditor)


def test_a_version_may_come_from_another_models(chain, version, owner):
    other = versions.register(model=chain[0], artifact=None, derived_from=version, actor=owner, reason=WHY)
    with pytest.raises(BadInput, match="would be a circle"):
        connect(Kind.DERIVED_FROM, other, version, owner)
