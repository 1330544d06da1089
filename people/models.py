from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property

from people.roles import Role
from trail.actors import Actor, Subject
from trail.models import Governed


class Unit(Governed):
    """A part of the organisation. `path` spells the reporting line, top first: `bank/retail/credit`."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    path = models.CharField(max_length=500, unique=True)

    class Meta:
        ordering = ["path"]

    def __str__(self) -> str:
        return self.name

    @property
    def unit_path(self) -> str:
        return self.path


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """Someone who acts. Never deleted: a name on a signature must stay resolvable."""

    governed = True
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    last_login = None  # sign-ins are entries in the trail
    email = models.EmailField(unique=True)
    name = models.CharField("printed name", max_length=200)
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="members")
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("email"), name="people_one_user_per_email")]

    def __str__(self) -> str:
        return self.name

    @property
    def actor(self) -> Actor:
        return Actor(id=str(self.pk), name=self.name)

    @property
    def subject(self) -> Subject:
        return Subject(type="people.user", id=str(self.pk), label=self.name, unit=self.unit.path)

    @property
    def unit_path(self) -> str:
        return self.unit.path

    @cached_property
    def held_grants(self) -> list[RoleGrant]:
        """The roles held now, read once a request; none for someone suspended."""
        return list(self.grants.filter(revoked_at=None).select_related("unit")) if self.is_active else []

    @property
    def unit_paths(self) -> list[str]:
        """The tops of what this person may see."""
        return sorted({grant.unit.path for grant in self.held_grants})

    def check_password(self, raw_password: str | None) -> bool:
        """Without Django's silent re-hash, which would be an unrecorded write."""
        return check_password(raw_password, self.password)


class RoleGrant(Governed):
    """A role that someone holds in a unit and everything below it, until it is revoked."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    role = models.CharField(max_length=40, choices=Role)
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="grants")
    granted_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "unit"],
                condition=models.Q(revoked_at=None),
                name="people_one_live_grant",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.get_role_display()} in {self.unit}"

    @property
    def unit_path(self) -> str:
        return self.unit.path


class ApiToken(Governed):
    """A bearer token: only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def unit_path(self) -> str:
        return self.user.unit.path


class Meaning(models.TextChoices):
    """What a signature says (21 CFR 11.50)."""

    AUTHORSHIP = "authorship", "I made this"
    REVIEW = "review", "I reviewed this"
    APPROVAL = "approval", "I approve this"
    RESPONSIBILITY = "responsibility", "I take responsibility for this"


class Signature(Governed):
    """An electronic signature over the exact bytes that were shown to the signer."""

    signer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="signatures")
    signer_name = models.CharField(max_length=200)
    role = models.CharField(max_length=40, choices=Role)
    meaning = models.CharField(max_length=20, choices=Meaning)
    method = models.CharField(max_length=20, default="password")
    comment = models.TextField(blank=True)
    about_type = models.CharField(max_length=100)
    about_id = models.UUIDField(db_index=True)
    dossier_digest = models.CharField(max_length=71)
    statement = models.BinaryField()
    digest = models.CharField(max_length=71)
    unit = models.CharField(max_length=500)
    signed_at = models.DateTimeField()

    class Meta:
        ordering = ["signed_at"]

    def __str__(self) -> str:
        return f"{self.signer_name}, {self.get_role_display()}: {self.get_meaning_display()}"

    @property
    def unit_path(self) -> str:
        return self.unit
