from django.urls import path

from people import api
from people.views import administration, sessions

app_name = "people"
urlpatterns = [
    path("sign-in/", sessions.SignIn.as_view(), name="sign-in"),
    path("sign-out/", sessions.sign_out, name="sign-out"),
    path("account/", sessions.account, name="account"),
    path("set-password/<uuid:pk>/<str:token>/", administration.set_password, name="set-password"),
    path("people/", administration.user_list, name="user-list"),
    path("people/new/", administration.user_new, name="user-new"),
    path("people/<uuid:pk>/", administration.user_detail, name="user-detail"),
    path("people/<uuid:pk>/roles/", administration.grant_role, name="role-grant"),
    path("people/<uuid:pk>/suspend/", administration.suspend, name="user-suspend"),
    path("people/<uuid:pk>/password-link/", administration.password_link, name="password-link"),
    path("roles/<uuid:pk>/revoke/", administration.revoke_role, name="role-revoke"),
]
api_urlpatterns = [
    path("users/", api.UserList.as_view(), name="user-list"),
    path("users/<uuid:pk>/roles/", api.UserRoles.as_view(), name="role-grant"),
    path("users/<uuid:pk>/suspend/", api.UserSuspend.as_view(), name="user-suspend"),
    path("roles/<uuid:pk>/revoke/", api.RoleRevoke.as_view(), name="role-revoke"),
    path("tokens/<uuid:pk>/revoke/", api.TokenRevoke.as_view(), name="token-revoke"),
]
