"""The app's own settings, in a data folder of this process's own, with a password hash made for speed."""

import atexit
import os
import shutil
import tempfile

_data = tempfile.mkdtemp(prefix="countersign-tests-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
os.environ["COUNTERSIGN_DATA"] = _data
# each test process has a Redis database of its own, so that no worker of another takes its messages
if os.environ.get("COUNTERSIGN_BROKER_URL", "").startswith("redis:"):
    _server = os.environ["COUNTERSIGN_BROKER_URL"].rpartition("/")[0]
    _number = 2 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.environ["COUNTERSIGN_BROKER_URL"] = f"{_server}/{_number}"
# the browser's driver leaves an event loop in the thread of tests that have none of their own
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

from config.settings import *  # noqa: E402, F403
from config.settings import DATA, DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
STATICFILES_DIRS = [path for path in STATICFILES_DIRS if path.exists()]  # noqa: F405
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite3")}

JOB_LEASE_SECONDS = 600  # a test's transaction holds SQLite's one lock, which the heartbeat would wait for
