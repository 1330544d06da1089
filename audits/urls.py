from django.urls import URLPattern, path

from audits import api

app_name = "audits"
urlpatterns: list[URLPattern] = []
api_urlpatterns: list[URLPattern] = [
    path("checks/", api.CheckList.as_view(), name="check-list"),
    path("versions/<uuid:pk>/runs/", api.VersionRuns.as_view(), name="version-runs"),
    path("runs/", api.RunList.as_view(), name="run-list"),
    path("runs/<uuid:pk>/", api.RunDetail.as_view(), name="run-detail"),
    path("runs/<uuid:pk>/cancel/", api.RunCancel.as_view(), name="run-cancel"),
    path("runs/<uuid:pk>/retry/", api.RunRetry.as_view(), name="run-retry"),
]
