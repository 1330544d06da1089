"""Every address of the app, room by room. A room's pages stand at the root, its API under /api/v1/."""

from __future__ import annotations

from importlib import import_module

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from config import errors, health, past

ROOMS = ("reports", "governance", "audits", "registry", "people", "trail")


def pages(room: str) -> URLResolver:
    return path("", include(f"{room}.urls"))


def api(room: str) -> URLResolver:
    return path("", include((import_module(f"{room}.urls").api_urlpatterns, f"{room}-api")))


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", login_not_required(health.alive)),
    path("readyz", login_not_required(health.ready)),
    path("past/", past.look_back, name="look-back"),
    path("past/leave/", past.look_at_now, name="look-at-now"),
    path("api/v1/", include([api(room) for room in ROOMS])),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    *(pages(room) for room in ROOMS),
]

handler400 = errors.page(400)
handler403 = errors.page(403)
handler404 = errors.page(404)
handler500 = errors.page(500)
