from django.urls import URLPattern, path

from governance.api import policies, promotions, tiering
from governance.views import inbox as inbox_page
from governance.views import policies as policy_pages
from governance.views import promotions as promotion_pages
from governance.views import tiering as tiering_pages
from governance.views import versions as version_pages
from trail import things

app_name = "governance"
urlpatterns: list[URLPattern] = [
    path("", inbox_page.inbox, name="inbox"),
    path("versions/<uuid:pk>/", version_pages.version_detail, name="version-detail"),
    path("versions/<uuid:pk>/promotions/", version_pages.promotion_request, name="promotion-request"),
    path("versions/<uuid:pk>/retire/", version_pages.version_retire, name="version-retire"),
    path("promotions/", promotion_pages.promotion_list, name="promotion-list"),
    path("promotions/<uuid:pk>/", promotion_pages.promotion_detail, name="promotion-detail"),
    path("promotions/<uuid:pk>/statement/", promotion_pages.statement, name="promotion-statement"),
    path("promotions/<uuid:pk>/sign/", promotion_pages.sign, name="promotion-sign"),
    path("promotions/<uuid:pk>/release/", promotion_pages.release, name="promotion-release"),
    path("promotions/<uuid:pk>/reject/", promotion_pages.reject, name="promotion-reject"),
    path("promotions/<uuid:pk>/withdraw/", promotion_pages.withdraw, name="promotion-withdraw"),
    path("promotions/<uuid:pk>/attestation/", promotion_pages.attestation, name="promotion-attestation"),
    path("models/<slug:slug>/tiering/", tiering_pages.questionnaire, name="tiering"),
    path("models/<slug:slug>/tiering/preview/", tiering_pages.preview, name="tiering-preview"),
    path("policies/", policy_pages.policy_list, name="policy-list"),
    path("policies/new/", policy_pages.policy_new, name="policy-new"),
    path("policies/<uuid:pk>/", policy_pages.policy_detail, name="policy-detail"),
]
api_urlpatterns = [
    path("models/<slug:slug>/tiering/", tiering.Tiering.as_view(), name="tiering"),
    path("versions/<uuid:pk>/promotions/", promotions.VersionPromotions.as_view(), name="promotion-request"),
    path("versions/<uuid:pk>/retire/", promotions.VersionRetire.as_view(), name="version-retire"),
    path("promotions/", promotions.PromotionList.as_view(), name="promotion-list"),
    path("promotions/<uuid:pk>/", promotions.PromotionDetail.as_view(), name="promotion-detail"),
    path(
        "promotions/<uuid:pk>/signatures/prepare/", promotions.PromotionStatement.as_view(), name="promotion-statement"
    ),
    path("promotions/<uuid:pk>/signatures/", promotions.PromotionSignatures.as_view(), name="promotion-sign"),
    path("promotions/<uuid:pk>/release/", promotions.PromotionRelease.as_view(), name="promotion-release"),
    path("promotions/<uuid:pk>/reject/", promotions.PromotionReject.as_view(), name="promotion-reject"),
    path("promotions/<uuid:pk>/withdraw/", promotions.PromotionWithdraw.as_view(), name="promotion-withdraw"),
    path("gates/evaluate/", policies.GateEvaluate.as_view(), name="gate-evaluate"),
    path("policies/", policies.PolicyList.as_view(), name="policy-list"),
    path("policies/<uuid:pk>/", policies.PolicyDetail.as_view(), name="policy-detail"),
    path("inbox/", policies.Inbox.as_view(), name="inbox"),
]

things.declare("registry.version", under=["versions"], page="governance:version-detail")
things.declare("governance.promotion", under=["promotions"], page="governance:promotion-detail")
things.declare("governance.policy", under=["policies"], page="governance:policy-detail")
