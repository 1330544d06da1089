"""What someone may see and do. Every list and lookup of every room starts from `within(...)`."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from people.models import RoleGrant, Unit, User, live
from people.roles import MAY, Duty, Role


def live_grants(user: User) -> QuerySet[RoleGrant]:
    """The user's roles as the database has them at this moment (`user.held_grants` is read once a request)."""
    return RoleGrant.objects.filter(live(), user=user, user__is_active=True).select_related("unit")


def below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def within(user: User, field: str) -> Q:
    """Rows whose unit path (`field`) lies in the user's units; nobody without a role sees anything."""
    seen = Q(pk__in=[])
    for path in user.unit_paths:
        seen |= Q(**{field: path}) | Q(**{f"{field}__startswith": f"{path}/"})
    return seen


def sees(user: User, path: str) -> bool:
    return any(below(path, top) for top in user.unit_paths)


def roles_at(user: User, path: str) -> set[Role]:
    """The roles the user holds at `path`: granted there or above."""
    return {Role(grant.role) for grant in user.held_grants if below(path, grant.unit.path)}


def may(user: User, duty: Duty, path: str) -> bool:
    return any(duty in MAY[role] for role in roles_at(user, path))


def may_anywhere(user: User, duty: Duty) -> bool:
    return any(duty in MAY[Role(grant.role)] for grant in user.held_grants)


def units_for(user: User, duty: Duty | None = None) -> QuerySet[Unit]:
    """The units the user sees, or those in which a duty may be exercised."""
    tops = [g.unit.path for g in user.held_grants if duty is None or duty in MAY[Role(g.role)]]
    seen = Q(pk__in=[])
    for path in tops:
        seen |= Q(path=path) | Q(path__startswith=f"{path}/")
    return Unit.objects.filter(seen)


def same_line(one: User, other: User) -> bool:
    """Whether one of the two sits in the other's reporting line: the same unit, or one above the other."""
    return below(one.unit.path, other.unit.path) or below(other.unit.path, one.unit.path)


def holders(role: Role, path: str) -> QuerySet[User]:
    """Who holds `role` at `path`."""
    tops = ["/".join(path.split("/")[: depth + 1]) for depth in range(path.count("/") + 1)]
    held = live("grants__") & Q(grants__role=role, grants__unit__path__in=tops)
    return User.objects.filter(held, is_active=True).distinct()


def people(user: User) -> QuerySet[User]:
    """Whoever sits in a unit that the user sees."""
    return User.objects.filter(within(user, "unit__path")).select_related("unit").order_by("name")


def administered(user: User) -> QuerySet[Unit]:
    return units_for(user, Duty.ADMINISTER).order_by("path")
