"""Every setting is an environment variable with the prefix COUNTERSIGN_ (docs/operations.md lists them).

A secret can also be given as NAME_FILE, a path to a file that holds it.
"""

from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF

from config.environment import Environment
from config.secrets import kept_secret

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

DATA = Path(env.str("DATA", default=str(BASE_DIR / ".data"))).resolve()
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret(DATA / "keys" / "secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("HTTPS", default=False)
# Passkeys are bound to this host name. Whoever changes it makes every passkey useless.
RP_ID = env.str("RP_ID", default="localhost")
PASSKEY_ORIGINS = env.list("PASSKEY_ORIGINS", default=[])

# The log's name in every checkpoint and key; it must never change for a running installation.
LOG_ORIGIN = env.str("LOG_ORIGIN", default="countersign.local/trail")
SIGNING_KEY = env.str("SIGNING_KEY", default="")
SIGNING_KEY_PATH = DATA / "keys" / "signing_key.pem"
COSIGNER_KEY = env.str("COSIGNER_KEY", default="")
COSIGNER_KEY_PATH = DATA / "keys" / "cosigner_key.pem"
# what was last signed: outside the database, so that a restored database is noticed
SIGNER_STATE = Path(env.str("SIGNER_STATE", default=str(DATA / "keys" / "signed_tree.json")))
# the certificate that signs PDFs and its key, as PEM files; without them one is made and kept at the path
PDF_CERTIFICATE = env.str("PDF_CERTIFICATE", default="")
PDF_KEY = env.str("PDF_KEY", default="")
PDF_SIGNING_PATH = DATA / "keys" / "pdf_signing.pem"
# who outside holds checkpoints (trail/anchors.py)
ANCHOR_DIR = env.str("ANCHOR_DIR", default="")
TSA_URL = env.str("TSA_URL", default="")
TSA_ROOTS = env.str("TSA_ROOTS", default="")
WITNESSES = env.list("WITNESSES", default=[])
ANCHOR_MINUTES = env.int("ANCHOR_MINUTES", default=60)
# where entries are sent on to (trail/forwarding.py)
FORWARD = env.list("FORWARD", default=[])
FORWARD_SECRET = env.str("FORWARD_SECRET", default="")
FORWARD_CLEAR = env.bool("FORWARD_CLEAR", default=False)
# folders with packages of checks, which web and worker can't import from (docs/reference/own-checks.md)
CHECKS_PATH = env.list("CHECKS_PATH", default=[])
# endpoints that checks may ask for scores: origins, networks that are not public, origin=token with blanks between
SCORING_HOSTS = env.list("SCORING_HOSTS", default=[])
SCORING_NETWORKS = env.list("SCORING_NETWORKS", default=[])
ENDPOINT_TOKENS = env.str("ENDPOINT_TOKENS", default="")
EVIDENCE_ROOT = DATA / "files"
# the states of the past that somebody looked at; made again from the trail whenever they are gone
PAST_ROOT = Path(env.str("PAST_ROOT", default=str(DATA / "past")))
PAST_KEPT = env.int("PAST_KEPT", default=8)
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_MB", default=100) * 1024 * 1024

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "trail",
    "people",
    "registry",
    "audits",
    "governance",
    "reports",
    "config.apps.ConfigConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "trail.actions.ActionMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "people.reading.ReadingMiddleware",
    "config.past.PastMiddleware",
    "config.errors.DomainErrorMiddleware",
    "config.intake.IntakeMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.shell",
            ],
        },
    }
]

DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{DATA / 'countersign.sqlite3'}")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False  # a refusal is recorded after its attempt rolled back
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: what was acknowledged is there after a power cut
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    # the trail's own statements are prepared; a pooler that hands connections round between transactions forbids it
    pooled = env.bool("POOLED", default=False)
    DATABASES["default"].setdefault("OPTIONS", {})["prepare_threshold"] = None if pooled else 5
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = pooled
DATABASE_ROUTERS = ["trail.past.PastRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "people.backends.EmailBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
LOGIN_URL = "people:sign-in"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "people:sign-in"
AXES_FAILURE_LIMIT = env.int("SIGN_IN_TRIES", default=8)
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_USERNAME_FORM_FIELD = "username"  # what the form calls the e-mail; without it axes counts nobody
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "people/locked.html"
AXES_VERBOSE = False

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    name: [] for name in ("camera", "geolocation", "microphone", "payment", "usb")
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(EVIDENCE_ROOT), "file_permissions_mode": 0o640},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = env.str("UPLOAD_TEMP", default=None)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["people.bearer.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["people.bearer.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["registry.api.strict.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.errors.problem",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign API",
    "DESCRIPTION": "Model governance that can prove itself.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.every_get_takes_a_moment",
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "audits.models.Job.Status",
        "PromotionStatus": "governance.models.promotion.Promotion.Status",
    },
}

CELERY_BROKER_URL = env.str("BROKER_URL", default="filesystem://")
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "data_folder_in": str(DATA / "broker"),
        "data_folder_out": str(DATA / "broker"),
        "control_folder": str(DATA / "broker" / "control"),
    }
    if CELERY_BROKER_URL.startswith("filesystem:")
    else {}
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# How long a claimed job may stay silent before another worker takes it over, and how often it is tried.
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=30)
JOB_MAX_ATTEMPTS = env.int("JOB_MAX_ATTEMPTS", default=3)
JOB_TIMEOUT_SECONDS = env.int("JOB_TIMEOUT_SECONDS", default=900)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    # warns that a broker of files has no host name
    "loggers": {"kombu.connection": {"level": "ERROR"}},
}
