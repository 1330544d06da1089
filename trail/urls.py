from django.urls import path, reverse

from trail import api, things, views

app_name = "trail"
urlpatterns = [
    path("trail/", views.event_list, name="event-list"),
    path("trail/export/", views.export, name="export"),
    path("trail/<int:index>/", views.event_detail, name="event-detail"),
    path("trail/<int:index>.<str:kind>", views.event_file, name="event-file"),
]
api_urlpatterns = [
    path("trail/", api.EntryList.as_view(), name="entry-list"),
    path("trail/export/", api.TrailExport.as_view(), name="export"),
    path("trail/checkpoint/", api.CurrentCheckpoint.as_view(), name="checkpoint"),
    path("trail/key/", api.PublicKey.as_view(), name="key"),
    path("trail/proofs/inclusion/", api.InclusionProof.as_view(), name="inclusion"),
    path("trail/proofs/consistency/", api.ConsistencyProof.as_view(), name="consistency"),
]


def entry_pages(indexes: list[str]) -> dict[str, str]:
    return {each: reverse("trail:event-detail", kwargs={"index": int(each)}) for each in indexes if each.isdecimal()}


things.declare("trail.entry", under=["trail"], links=entry_pages)
things.declare("trail.log", links=lambda ids: dict.fromkeys(ids, reverse("trail:event-list")))
