from django.urls import URLPattern, path

from governance.api import policies, promotions, tiering

app_name = "governance"
urlpatterns: list[URLPattern] = []
api_urlpatterns = [
    path("models/<slug:slug>/tiering/", tiering.Tiering.as_view(), name="tiering"),
    path("versions/<uuid:pk>/promotions/", promotions.VersionPromotions.as_view(), name="promotion-request"),
    path("versions/<uuid:pk>/retire/", promotions.VersionRetire.as_view(), name="version-retire"),
    path("promotions/", promotions.PromotionList.as_view(), name="promotion-list"),
    path("promotions/<uuid:pk>/", promotions.PromotionDetail.as_view(), name="promotion-detail"),
    path("promotions/<uuid:pk>/signatures/", promotions.PromotionSignatures.as_view(), name="promotion-sign"),
    path("promotions/<uuid:pk>/release/", promotions.PromotionRelease.as_view(), name="promotion-release"),
    path("promotions/<uuid:pk>/reject/", promotions.PromotionReject.as_view(), name="promotion-reject"),
    path("promotions/<uuid:pk>/withdraw/", promotions.PromotionWithdraw.as_view(), name="promotion-withdraw"),
    path("gates/evaluate/", policies.GateEvaluate.as_view(), name="gate-evaluate"),
    path("policies/", policies.PolicyList.as_view(), name="policy-list"),
    path("policies/<uuid:pk>/", policies.PolicyDetail.as_view(), name="policy-detail"),
    path("inbox/", policies.Inbox.as_view(), name="inbox"),
]
