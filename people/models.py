from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property

from people.roles import Role
from trail import moments
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
    never_recorded = ("password",)

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
        return list(self.grants.filter(live()).select_related("unit")) if self.is_active else []

    @property
    def unit_paths(self) -> list[str]:
        """The tops of what this person may see."""
        return sorted({grant.unit.path for grant in self.held_grants})

    def check_password(self, raw_password: str | None) -> bool:
        """Without Django's silent re-hash, which would be an unrecorded write."""
        return check_password(raw_password, self.password)


def live(prefix: str = "") -> models.Q:
    """Grants that hold now; `prefix` leads to them from another table."""
    ended = models.Q(**{f"{prefix}ends_at": None}) | models.Q(**{f"{prefix}ends_at__gt": moments.now()})
    return models.Q(**{f"{prefix}revoked_at": None}) & ended


class RoleGrant(Governed):
    """A role that someone holds in a unit and everything below it, until it is revoked or its time is over."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    role = models.CharField(max_length=40, choices=Role)
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="grants")
    granted_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
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

    never_recorded = ("sha256",)

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


class Passkey(Governed):
    """A public key of an authenticator that someone holds. Never deleted: signatures made with it stay verifiable."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="passkeys")
    name = models.CharField(max_length=100)
    credential_id = models.CharField(max_length=1400, unique=True, help_text="base64url")
    public_key = models.BinaryField(help_text="SubjectPublicKeyInfo, DER")
    sign_count = models.BigIntegerField(default=0)
    added_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["added_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def unit_path(self) -> str:
        return self.user.unit.path


class Authenticator(Governed):
    """An authenticator app (TOTP). Its secret is kept encrypted; `last_step` makes each code good once."""

    never_recorded = ("secret",)

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="authenticators")
    secret = models.TextField()
    confirmed_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["confirmed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(removed_at=None), name="people_one_live_authenticator"
            )
        ]

    def __str__(self) -> str:
        return f"the authenticator app of {self.user}"

    @property
    def unit_path(self) -> str:
        return self.user.unit.path


class Method(models.TextChoices):
    """How a signer proved who they are."""

    PASSWORD = "password", "password"
    TOTP = "totp", "code of an authenticator app"
    PASSKEY = "passkey", "passkey"


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
    method = models.CharField(max_length=20, choices=Method, default=Method.PASSWORD)
    comment = models.TextField(blank=True)
    about_type = models.CharField(max_length=100)
    about_id = models.UUIDField(db_index=True)
    dossier_digest = models.CharField(max_length=71)
    statement = models.BinaryField()
    digest = models.CharField(max_length=71)
    evidence = models.JSONField(default=dict, blank=True, help_text="A passkey's assertion over the statement's digest")
    unit = models.CharField(max_length=500)
    shown_at = models.DateTimeField(null=True)
    signed_at = models.DateTimeField()

    class Meta:
        ordering = ["signed_at"]

    def __str__(self) -> str:
        return f"{self.signer_name}, {self.get_role_display()}: {self.get_meaning_display()}"

    @property
    def unit_path(self) -> str:
        return self.unit


class Erasure(Governed):
    """A person's data, asked to be erased and, by somebody else, erased (GDPR, Art. 17)."""

    class Basis(models.TextChoices):
        NOT_NEEDED = "not_needed", "No longer needed (Art. 17 (1) a)"
        CONSENT = "consent", "Consent withdrawn (Art. 17 (1) b)"
        OBJECTION = "objection", "Objected (Art. 17 (1) c)"
        UNLAWFUL = "unlawful", "Processed unlawfully (Art. 17 (1) d)"
        OBLIGATION = "obligation", "Required by law (Art. 17 (1) e)"

    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="erasures")
    basis = models.CharField(max_length=20, choices=Basis)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["asked_at"]
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=models.Q(done_at=None), name="people_one_open_erasure")
        ]

    def __str__(self) -> str:
        return f"erasure of {self.person}"

    @property
    def unit_path(self) -> str:
        return self.person.unit.path
