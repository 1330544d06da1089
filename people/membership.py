"""Units, users and roles: opened, added, granted and revoked, each time on the record."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.text import slugify

from people.access import require
from people.events import Event
from people.models import RoleGrant, Unit, User
from people.roles import Duty, Role
from trail.actors import Actor
from trail.errors import BadInput, Objection, Refused
from trail.record import recording

By = User | Actor


def _require(actor: By, path: str) -> None:
    """People need the administrator's role; set-up acts as the system, from the command line."""
    if isinstance(actor, User):
        require(actor, Duty.ADMINISTER, path)


def open_unit(*, name: str, parent: Unit | None, actor: By, reason: str, slug: str = "") -> Unit:
    slug = slug or slugify(name)[:80]
    path = f"{parent.path}/{slug}" if parent else slug
    with recording(Event.UNIT_OPENED, actor=actor, reason=reason) as entry:
        _require(actor, parent.path if parent else path)
        if Unit.objects.filter(path=path).exists():
            raise BadInput(f"There is a unit {path} already; choose another name.", where="name", status=409)
        return entry.create(Unit(name=name, slug=slug, parent=parent, path=path), "path")


def add_user(*, email: str, name: str, unit: Unit, password: str | None, actor: By, reason: str) -> User:
    email = email.strip().lower()
    with recording(Event.USER_ADDED, actor=actor, reason=reason) as entry:
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
        return entry.create(user, "email", "name", "unit")


def set_password(*, user: User, password: str, actor: By, reason: str) -> None:
    with recording(Event.PASSWORD_SET, actor=actor, reason=reason, subject=user):
        if not (isinstance(actor, User) and actor.pk == user.pk):
            _require(actor, user.unit.path)
        try:
            validate_password(password, user)
        except ValidationError as invalid:
            raise BadInput(" ".join(invalid.messages), where="password") from invalid
        user.set_password(password)
        user.save()


def suspend(*, user: User, actor: By, reason: str) -> None:
    with recording(Event.USER_SUSPENDED, actor=actor, reason=reason, subject=user) as entry:
        _require(actor, user.unit.path)
        entry.change(user, is_active=False)


def grant(*, user: User, role: Role, unit: Unit, actor: By, reason: str) -> RoleGrant:
    with recording(Event.ROLE_GRANTED, actor=actor, reason=reason, subject=user) as entry:
        _require(actor, unit.path)
        if isinstance(actor, User) and actor.pk == user.pk:
            raise Refused(Objection("own_role", "Nobody grants a role to themselves.", "Ask another administrator."))
        held = RoleGrant.objects.filter(user=user, role=role, unit=unit, revoked_at=None)
        if held.exists():
            raise BadInput(f"{user.name} is {role.label} in {unit.name} already.", where="role", status=409)
        entry.facts = {"role": role.label, "unit": unit.name}
        return entry.create(RoleGrant(user=user, role=role, unit=unit), "role", "unit")


def revoke(*, grant: RoleGrant, actor: By, reason: str) -> None:
    with recording(Event.ROLE_REVOKED, actor=actor, reason=reason, subject=grant.user) as entry:
        _require(actor, grant.unit.path)
        entry.facts = {"role": Role(grant.role).label, "unit": grant.unit.name}
        entry.change(grant, revoked_at=timezone.now())
