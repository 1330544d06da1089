from django.urls import URLPattern, path
from django.views.generic import RedirectView

from reports import api, views

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
    path("packs/<uuid:pk>/status/", views.pack_status, name="pack-status"),
    path("packs/<uuid:pk>/download/", views.pack_download, name="pack-download"),
]
api_urlpatterns: list[URLPattern] = [
    path("versions/<uuid:pk>/card.<str:kind>", api.Card.as_view(), name="card"),
    path("versions/<uuid:pk>/packs/", api.VersionPacks.as_view(), name="version-packs"),
    path("packs/<uuid:pk>/", api.PackDetail.as_view(), name="pack-detail"),
    path("packs/<uuid:pk>/download/", api.PackDownload.as_view(), name="pack-download"),
]
