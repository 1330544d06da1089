"""Gives waiting entries their places in the tree, beside every worker; any number may run at once (PostgreSQL)."""

from __future__ import annotations

import logging
import threading

from django.db import connection

from trail import ledger

log = logging.getLogger(__name__)

PAUSE = 0.25


def run_until(stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            if ledger.waits():
                while ledger.integrate() == ledger.BATCH:  # rest after a few: a place costs far less among many
                    pass
        except Exception:  # it must outlive whatever the database does
            log.exception("The sequencer was interrupted; trying again in a second.")
            connection.close()
            stopping.wait(1)
        stopping.wait(PAUSE)
    connection.close()
