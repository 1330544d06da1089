"""`make run`: the database, the demo, the web server and the worker, from one command, stopped by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from people.models import Unit

WEB = ["gunicorn", "config.wsgi", "--worker-class=gthread", "--workers=1", "--threads=8", "--log-level=warning",
       "--worker-tmp-dir=/dev/shm"]  # fmt: skip
WORKER = ["celery", "--app=config", "--quiet", "worker", "--pool=threads", "--concurrency=2", "--without-gossip",
          "--without-mingle", "--loglevel=warning"]  # fmt: skip


class Command(BaseCommand):
    help = "Runs web and worker together on one machine; on first use it makes the database and loads the demo."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="start with an empty inventory")

    def handle(self, *args: Any, **options: Any) -> None:
        port = int(os.environ.get("PORT", "8000"))
        self._say("Preparing the database")
        call_command("migrate", verbosity=0)
        if not options["no_demo"] and not Unit.objects.exists():
            self._say("Loading the demo (about two minutes, once)")
            call_command("load_demo")
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job has SIGINT ignored
            signal.signal(number, _stop)
        self._say("Starting web and worker")
        processes = {"web": _start([*WEB, f"--bind=127.0.0.1:{port}"]), "worker": _start(WORKER)}
        try:
            self._wait_for(port, processes["web"])
            self._welcome(port)
            self._watch(processes)
        except KeyboardInterrupt:
            self._say("Stopping")
        finally:
            _end(processes)

    def _say(self, line: str) -> None:
        self.stdout.write(f"· {line}")
        self.stdout.flush()

    def _wait_for(self, port: int, web: subprocess.Popen[bytes]) -> None:
        for _ in range(600):
            if web.poll() is not None:
                sys.exit("The web server stopped at once; the lines above say why.")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            else:
                return
        sys.exit("The web server does not answer after a minute.")

    def _welcome(self, port: int) -> None:
        from demo import people as demo_people

        self.stdout.write(f"\nCountersign runs at http://localhost:{port}/   (Ctrl-C stops it)")
        self.stdout.write(f"Data: {settings.DATA}")
        if demo_people.loaded():
            self.stdout.write(f"\nDemo logins, password “{demo_people.PASSWORD}”:")
            for person in demo_people.PEOPLE:
                self.stdout.write(f"  {person.email:<30} {person.title}")
        self.stdout.write("")
        self.stdout.flush()

    def _watch(self, processes: dict[str, subprocess.Popen[bytes]]) -> None:
        """A worker that dies is started again: its jobs' leases run out and are taken up where the rows say."""
        while True:
            time.sleep(1)
            if processes["web"].poll() is not None:
                sys.exit("The web server stopped; the lines above say why.")
            if processes["worker"].poll() is not None:
                self._say("The worker died; starting another")
                processes["worker"] = _start(WORKER)


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    # a session of its own, so that Ctrl-C reaches this process alone, which then ends the others in order
    # Celery warns of root at every start; what matters of it, models, runs unprivileged in a child of its own
    quiet = ["-W", "ignore:You're running the worker with superuser privileges"]
    return subprocess.Popen([sys.executable, *quiet, "-m", *arguments], cwd=settings.BASE_DIR, start_new_session=True)


def _end(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        try:
            process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
