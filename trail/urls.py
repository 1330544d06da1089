from django.urls import path

from trail import api, views

app_name = "trail"
urlpatterns = [
    path("trail/", views.event_list, name="event-list"),
    path("trail/<int:index>/", views.event_detail, name="event-detail"),
]
api_urlpatterns = [
    path("trail/", api.EntryList.as_view(), name="entry-list"),
    path("trail/checkpoint/", api.CurrentCheckpoint.as_view(), name="checkpoint"),
    path("trail/key/", api.PublicKey.as_view(), name="key"),
    path("trail/proofs/inclusion/", api.InclusionProof.as_view(), name="inclusion"),
    path("trail/proofs/consistency/", api.ConsistencyProof.as_view(), name="consistency"),
]
