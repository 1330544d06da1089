from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from people import sessions


class SignInForm(AuthenticationForm):
    username = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"})
    )
    error_messages = {
        "invalid_login": "The e-mail or the password is not right. Passwords are case-sensitive.",
        "inactive": "This account is suspended. Ask an administrator.",
    }

    def clean_username(self) -> str:
        """One spelling an address, so that wrong tries are counted together."""
        return str(self.cleaned_data["username"]).lower()


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    template_name = "people/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        sessions.open_session(self.request, user=form.get_user())
        return redirect(self.get_success_url())

    def form_invalid(self, form: Any) -> HttpResponse:
        sessions.note_failure(email=form.data.get("username", ""))
        return self.render_to_response(self.get_context_data(form=form), status=422)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("people:sign-in")
