from django.urls import URLPattern, path

from registry import addresses
from registry.api import datasets, lineage, models, units, versions
from registry.views import datasets as dataset_pages
from registry.views import models as model_pages
from registry.views import versions as version_pages
from trail import things

app_name = "registry"
urlpatterns: list[URLPattern] = [
    path("models/", model_pages.model_list, name="model-list"),
    path("models/new/", model_pages.model_new, name="model-new"),
    path("models/<slug:slug>/", model_pages.model_detail, name="model-detail"),
    path("models/<slug:slug>/edit/", model_pages.model_edit, name="model-edit"),
    path("models/<slug:slug>/versions/new/", version_pages.version_new, name="version-new"),
    path("datasets/", dataset_pages.dataset_list, name="dataset-list"),
    path("datasets/new/", dataset_pages.dataset_new, name="dataset-new"),
    path("datasets/<uuid:pk>/", dataset_pages.dataset_detail, name="dataset-detail"),
]
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

things.declare("registry.registeredmodel", under=["models"], links=addresses.model_pages, find=addresses.model_id)
things.declare("registry.dataset", under=["datasets"], page="registry:dataset-detail")
