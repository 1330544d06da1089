from django.urls import URLPattern, path

from audits import api
from audits.views import asking, runs
from trail import things

app_name = "audits"
urlpatterns: list[URLPattern] = [
    path("runs/", runs.run_list, name="run-list"),
    path("versions/<uuid:version>/runs/new/", asking.run_new, name="run-new"),
    path("versions/<uuid:version>/runs/set/", asking.run_set, name="run-set"),
    path("runs/<uuid:pk>/", runs.run_detail, name="run-detail"),
    path("runs/<uuid:pk>/progress/", runs.run_progress, name="run-progress"),
    path("runs/<uuid:pk>/cancel/", runs.run_cancel, name="run-cancel"),
    path("runs/<uuid:pk>/retry/", runs.run_retry, name="run-retry"),
]
api_urlpatterns: list[URLPattern] = [
    path("checks/", api.CheckList.as_view(), name="check-list"),
    path("versions/<uuid:pk>/runs/", api.VersionRuns.as_view(), name="version-runs"),
    path("versions/<uuid:pk>/check-set/", api.VersionCheckSet.as_view(), name="version-check-set"),
    path("runs/", api.RunList.as_view(), name="run-list"),
    path("runs/<uuid:pk>/", api.RunDetail.as_view(), name="run-detail"),
    path("runs/<uuid:pk>/cancel/", api.RunCancel.as_view(), name="run-cancel"),
    path("runs/<uuid:pk>/retry/", api.RunRetry.as_view(), name="run-retry"),
]

things.declare("audits.run", under=["runs"], page="audits:run-detail")
