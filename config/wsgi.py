import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
ready = get_wsgi_application()

from config.intake import whole_bodies  # noqa: E402  (needs the settings)

application = whole_bodies(ready)
