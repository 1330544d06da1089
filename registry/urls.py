from django.urls import URLPattern, path

from registry.api import datasets, lineage, models, units, versions

app_name = "registry"
urlpatterns: list[URLPattern] = []
api_urlpatterns = [
    path("models/", models.ModelList.as_view(), name="model-list"),
    path("models/<slug:slug>/", models.ModelDetail.as_view(), name="model-detail"),
    path("models/<slug:slug>/versions/", versions.VersionList.as_view(), name="version-list"),
    path("versions/<uuid:pk>/", versions.VersionDetail.as_view(), name="version-detail"),
    path("versions/<uuid:pk>/artifact/", versions.ArtifactFile.as_view(), name="artifact"),
    path("versions/<uuid:pk>/card-sections/<str:section>/", versions.CardSectionDetail.as_view(), name="card-section"),
    path("datasets/", datasets.DatasetList.as_view(), name="dataset-list"),
    path("datasets/<uuid:pk>/", datasets.DatasetDetail.as_view(), name="dataset-detail"),
    path("lineage/", lineage.LineageList.as_view(), name="lineage-list"),
    path("environments/", units.EnvironmentList.as_view(), name="environment-list"),
    path("fields/", units.FieldList.as_view(), name="field-list"),
    path("units/", units.UnitList.as_view(), name="unit-list"),
]
