from django.urls import URLPattern, path

from reports import api

app_name = "reports"
urlpatterns: list[URLPattern] = []
api_urlpatterns: list[URLPattern] = [
    path("versions/<uuid:pk>/card.<str:kind>", api.Card.as_view(), name="card"),
    path("versions/<uuid:pk>/packs/", api.VersionPacks.as_view(), name="version-packs"),
    path("packs/<uuid:pk>/", api.PackDetail.as_view(), name="pack-detail"),
    path("packs/<uuid:pk>/download/", api.PackDownload.as_view(), name="pack-download"),
]
