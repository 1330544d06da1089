from django.urls import path

from people import api
from people.views import account, administration, sessions
from trail import things

app_name = "people"
urlpatterns = [
    path("sign-in/", sessions.SignIn.as_view(), name="sign-in"),
    path("sign-out/", sessions.sign_out, name="sign-out"),
    path("account/", account.account, name="account"),
    path("account/passkeys/new/", account.passkey_new, name="passkey-new"),
    path("account/authenticators/new/", account.authenticator_new, name="authenticator-new"),
    path("passkeys/<uuid:pk>/remove/", account.passkey_remove, name="passkey-remove"),
    path("authenticators/<uuid:pk>/remove/", account.authenticator_remove, name="authenticator-remove"),
    path("set-password/<uuid:pk>/<str:token>/", administration.set_password, name="set-password"),
    path("people/", administration.user_list, name="user-list"),
    path("people/new/", administration.user_new, name="user-new"),
    path("people/<uuid:pk>/", administration.user_detail, name="user-detail"),
    path("people/<uuid:pk>/roles/", administration.grant_role, name="role-grant"),
    path("people/<uuid:pk>/suspend/", administration.suspend, name="user-suspend"),
    path("people/<uuid:pk>/password-link/", administration.password_link, name="password-link"),
    path("people/<uuid:pk>/methods/reset/", administration.methods_reset, name="methods-reset"),
    path("people/<uuid:pk>/erasure/", administration.erasure_ask, name="erasure-ask"),
    path("people/<uuid:pk>/erasure/approve/", administration.erasure_approve, name="erasure-approve"),
    path("roles/<uuid:pk>/revoke/", administration.revoke_role, name="role-revoke"),
]
api_urlpatterns = [
    path("users/", api.UserList.as_view(), name="user-list"),
    path("users/<uuid:pk>/roles/", api.UserRoles.as_view(), name="role-grant"),
    path("users/<uuid:pk>/suspend/", api.UserSuspend.as_view(), name="user-suspend"),
    path("users/<uuid:pk>/erasure/", api.UserErasure.as_view(), name="erasure"),
    path("users/<uuid:pk>/erasure/approve/", api.ErasureApprove.as_view(), name="erasure-approve"),
    path("roles/<uuid:pk>/revoke/", api.RoleRevoke.as_view(), name="role-revoke"),
    path("tokens/<uuid:pk>/revoke/", api.TokenRevoke.as_view(), name="token-revoke"),
]

things.declare("people.user", under=["people", "users"], page="people:user-detail")
