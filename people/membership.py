"""Units, users and roles: opened, added, granted and revoked, each time on the record."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.text import slugify

from people.access import require
from people.events import Event
from people.models import RoleGrant, Unit, User, live
from people.queries import live_grants
from people.roles import Duty, Role
from trail.actors import Actor
from trail.errors import BadInput, Objection, Refused
from trail.record import recording

By = User | Actor


def _require(actor: By, path: str) -> None:
    """People need the administrator's role; set-up acts as the system, from the command line."""
    if isinstance(actor, User):
        require(actor, Duty.ADMINISTER, path)


def require_over(actor: By, user: User) -> None:
    """Who can set a password can be that person: so it takes leave wherever the person holds a role, too."""
    for path in {user.unit.path, *(grant.unit.path for grant in live_grants(user))}:
        _require(actor, path)


def open_unit(*, name: str, parent: Unit | None, actor: By, reason: str, slug: str = "") -> Unit:
    name = name.strip()
    slug = slug or slugify(name)[:80]
    if not slug or slug != slugify(slug) or len(name) > 200:
        raise BadInput("A unit needs a name of letters or digits, of at most 200 characters.", where="name")
    path = f"{parent.path}/{slug}" if parent else slug
    with recording(Event.UNIT_OPENED, actor=actor, reason=reason, subject=parent) as entry:
        _require(actor, parent.path if parent else path)
        if Unit.objects.filter(path=path).exists():
            raise BadInput(f"There is a unit {path} already; choose another name.", where="name", status=409)
        unit = entry.about = entry.create(Unit(name=name, slug=slug, parent=parent, path=path), "path")
        return unit


def add_user(*, email: str, name: str, unit: Unit, password: str | None, actor: By, reason: str) -> User:
    email = email.strip().lower()
    with recording(Event.USER_ADDED, actor=actor, reason=reason, subject=unit) as entry:
        _require(actor, unit.path)
        user = User(email=email, name=name.strip(), unit=unit)
        try:
            validate_email(email)
            if password is not None:
                validate_password(password, user)
        except ValidationError as invalid:
            raise BadInput(" ".join(invalid.messages), where="email or password") from invalid
        if User.objects.filter(email__iexact=email).exists():
            raise BadInput(f"{email} has an account already.", where="email", status=409)
        user.set_password(password)
        entry.about = entry.create(user, "email", "name", "unit")
        return user


def issue_password_link(*, user: User, actor: By, reason: str) -> str:
    """The path of a page on which the person chooses a password: good once, for a day. Nobody chooses it for them."""
    with recording(Event.PASSWORD_LINK_ISSUED, actor=actor, reason=reason, subject=user):
        require_over(actor, user)
        if not user.is_active:
            raise Refused(Objection("suspended", f"{user.name} is suspended."))
        return f"/set-password/{user.pk}/{default_token_generator.make_token(user)}/"


def set_password(*, user: User, password: str, token: str) -> None:
    """Set one's own password with the link that was issued."""
    _refuse_spent(user, token)  # before anything is on record in the name of someone who may be a stranger
    with recording(Event.PASSWORD_SET, actor=user, reason="Chose a password with a link", subject=user) as entry:
        user = User.objects.select_for_update().get(pk=user.pk)
        _refuse_spent(user, token)
        try:
            validate_password(password, user)
        except ValidationError as invalid:
            raise BadInput(" ".join(invalid.messages), where="password") from invalid
        user.set_password(password)
        entry.save(user)


def _refuse_spent(user: User, token: str) -> None:
    if not user.is_active or not default_token_generator.check_token(user, token):
        sentence = "This link was used, or is older than a day."
        raise Refused(Objection("link_spent", sentence, "Ask an administrator for another."))


def suspend(*, user: User, actor: By, reason: str) -> None:
    with recording(Event.USER_SUSPENDED, actor=actor, reason=reason, subject=user) as entry:
        _require(actor, user.unit.path)
        entry.change(user, is_active=False)


def grant(*, user: User, role: Role, unit: Unit, actor: By, reason: str, ends_at: datetime | None = None) -> RoleGrant:
    """Give someone a role in a unit and below, for good or until a moment."""
    with recording(Event.ROLE_GRANTED, actor=actor, reason=reason, subject=user) as entry:
        _require(actor, unit.path)
        if isinstance(actor, User) and actor.pk == user.pk:
            raise Refused(Objection("own_role", "Nobody grants a role to themselves.", "Ask another administrator."))
        if ends_at is not None and ends_at <= timezone.now():
            raise BadInput("The role would have ended already; choose a moment to come.", where="ends_at")
        held = RoleGrant.objects.filter(user=user, role=role, unit=unit, revoked_at=None)
        for over in held.exclude(live()):
            entry.change(over, revoked_at=over.ends_at)
        if held.exists():
            raise BadInput(f"{user.name} is {role.label} in {unit.name} already.", where="role", status=409)
        entry.facts = {"role": role.label, "unit": unit.name}
        if ends_at is not None:
            entry.facts["until"] = ends_at
        return entry.create(RoleGrant(user=user, role=role, unit=unit, ends_at=ends_at), "role", "unit")


def revoke(*, grant: RoleGrant, actor: By, reason: str) -> None:
    with recording(Event.ROLE_REVOKED, actor=actor, reason=reason, subject=grant.user) as entry:
        _require(actor, grant.unit.path)
        entry.facts = {"role": Role(grant.role).label, "unit": grant.unit.name}
        entry.change(grant, revoked_at=timezone.now())
