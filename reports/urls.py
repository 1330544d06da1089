from django.urls import URLPattern, path
from django.views.generic import RedirectView

from reports import views, workspace
from reports.api import engagements, packs
from trail import things

app_name = "reports"
urlpatterns: list[URLPattern] = [
    path("versions/<uuid:pk>/card/", views.card, name="card"),
    path("versions/<uuid:pk>/card.<str:kind>", views.card_download, name="card-download"),
    # where an objection sends who must write a section
    path("versions/<uuid:pk>/card/edit/", RedirectView.as_view(pattern_name="reports:card"), name="card-sections"),
    path("versions/<uuid:pk>/card/<slug:section>/edit/", views.card_edit, name="card-edit"),
    path("versions/<uuid:pk>/documents/", views.version_documents, name="version-documents"),
    path("versions/<uuid:pk>/packs/", views.pack_list, name="pack-list"),
    path("versions/<uuid:pk>/packs/new/", views.pack_request, name="pack-request"),
    path("packs/", views.unit_packs, name="unit-packs"),
    path("packs/<uuid:pk>/status/", views.pack_status, name="pack-status"),
    path("packs/<uuid:pk>/download/", views.pack_download, name="pack-download"),
    path("engagements/", workspace.engagement_list, name="engagement-list"),
    path("engagements/new/", workspace.engagement_new, name="engagement-new"),
    path("engagements/<uuid:pk>/", workspace.engagement_detail, name="engagement-detail"),
    path("engagements/<uuid:pk>/draw/", workspace.engagement_draw, name="engagement-draw"),
    path("engagements/<uuid:pk>/ask/", workspace.engagement_ask, name="engagement-ask"),
    path("engagements/<uuid:pk>/answer/<uuid:asked>/", workspace.engagement_answer, name="engagement-answer"),
    path("engagements/<uuid:pk>/pack/", workspace.engagement_pack, name="engagement-pack"),
    path("engagements/<uuid:pk>/close/", workspace.engagement_close, name="engagement-close"),
]
api_urlpatterns: list[URLPattern] = [
    path("versions/<uuid:pk>/card.<str:kind>", packs.Card.as_view(), name="card"),
    path("versions/<uuid:pk>/packs/", packs.VersionPacks.as_view(), name="version-packs"),
    path("packs/", packs.PackList.as_view(), name="pack-list"),
    path("packs/<uuid:pk>/", packs.PackDetail.as_view(), name="pack-detail"),
    path("packs/<uuid:pk>/download/", packs.PackDownload.as_view(), name="pack-download"),
    path("engagements/", engagements.EngagementList.as_view(), name="engagement-list"),
    path("engagements/<uuid:pk>/", engagements.EngagementDetail.as_view(), name="engagement-detail"),
    path("engagements/<uuid:pk>/samples/", engagements.EngagementSamples.as_view(), name="engagement-draw"),
    path("engagements/<uuid:pk>/requests/", engagements.EngagementRequests.as_view(), name="engagement-ask"),
    path(
        "engagements/<uuid:pk>/requests/<uuid:asked>/answer/",
        engagements.EngagementAnswer.as_view(),
        name="engagement-answer",
    ),
    path("engagements/<uuid:pk>/packs/", engagements.EngagementPacks.as_view(), name="engagement-pack"),
    path("engagements/<uuid:pk>/close/", engagements.EngagementClose.as_view(), name="engagement-close"),
]

things.declare("reports.pack", under=["packs"])
things.declare("reports.engagement", under=["engagements"], page="reports:engagement-detail")
