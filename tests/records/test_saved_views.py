"""A reader's own views of the worklist."""

import pytest

from services.records.errors import InvalidRecord
from services.records.saved_views import MOST_VIEWS, View, remove_view, save_view, saved_views
from tests.records.worlds import Portal


def views(portal: Portal) -> list[View]:
    with portal.logins.review.transaction(tenants=[portal.tenant_id], user=portal.user_id) as session:
        return saved_views(session=session, user_id=portal.user_id)


def save(portal: Portal, name: str, **query: str) -> None:
    with portal.logins.review.transaction(tenants=[portal.tenant_id], user=portal.user_id) as session:
        save_view(session=session, user_id=portal.user_id, name=name, query=query)


def test_a_view_is_kept_replaced_under_its_name_and_removed(portal: Portal) -> None:
    save(portal, "Mornings", urgency="urgent")
    save(portal, " Mornings  ", mark="suspicious", status="")
    [view] = views(portal)
    assert (view.name, view.query) == ("Mornings", {"mark": "suspicious"})
    with portal.logins.review.transaction(tenants=[portal.tenant_id], user=portal.user_id) as session:
        remove_view(session=session, user_id=portal.user_id, view_id=view.id)
    assert views(portal) == []


def test_what_was_searched_for_is_never_kept(portal: Portal) -> None:
    save(portal, "Mornings", search="P-1042", urgency="soon")
    assert views(portal)[0].query == {"urgency": "soon"}


def test_a_reader_sees_their_own_views_alone(portal: Portal, other: Portal) -> None:
    save(portal, "Mornings", urgency="urgent")
    assert views(other) == []
    with other.logins.review.transaction(tenants=[other.tenant_id], user=other.user_id) as session:
        assert saved_views(session=session, user_id=portal.user_id) == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 41])
def test_a_name_that_cannot_be_shown_is_refused(portal: Portal, name: str) -> None:
    with pytest.raises(InvalidRecord, match="name: 1 to 40"):
        save(portal, name)


def test_the_number_of_views_has_an_end(portal: Portal) -> None:
    for number in range(MOST_VIEWS):
        save(portal, f"view {number}")
    save(portal, "view 0", urgency="soon")
    with pytest.raises(InvalidRecord, match="at most"):
        save(portal, "one more")
