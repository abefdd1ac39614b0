"""Send changes to webhooks: each at least once, in their order, tried again with growing pauses for a day."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from bridgework.model.errors import StateUnavailable
from bridgework.model.expectations import Delivery, ExpectationPorts

FIRST_PAUSE_S, LONGEST_PAUSE_S, GIVE_UP_S = 5.0, 3600.0, 86_400.0
_TICK_S = 1.0
_RECEIVERS_AT_ONCE = 8
log = structlog.get_logger()


def deliver(ports: ExpectationPorts, told: threading.Event, ending: Callable[[], bool]) -> None:
    """Send what is due until ``ending``. ``told`` is set when there are new changes."""
    with ThreadPoolExecutor(_RECEIVERS_AT_ONCE, "webhook") as pool:
        while not ending():
            try:
                due: dict[str, list[Delivery]] = {}
                for one in ports.store.deliveries(time.time()):
                    due.setdefault(one.webhook, []).append(one)
                for job in [pool.submit(_send_all, ports, deliveries) for deliveries in due.values()]:
                    job.result()
                if due:
                    continue
            except StateUnavailable as error:
                log.warning("webhooks-not-read", why=error.detail)
            told.wait(_TICK_S)
            told.clear()


def _send_all(ports: ExpectationPorts, deliveries: list[Delivery]) -> None:
    """Send to one receiver. After a failure, those that follow wait as long as the one that failed."""
    again_at: float | None = None
    for delivery in deliveries:
        if again_at is not None:
            ports.store.delivered(delivery, again_at)
            continue
        change = delivery.change
        told = {"type": f"expectation.{change.after}", "timestamp": change.at, "data": ports.change_to_json(change)}
        failure = ports.notifier.send(delivery.webhook, change.id, json.dumps(told).encode())
        if failure is not None:
            again_at = again_at_of(delivery, failure)
        ports.store.delivered(delivery, again_at)


def again_at_of(delivery: Delivery, failure: str) -> float | None:
    """Return when to try again; ``None`` to give up."""
    moment = time.time()
    facts = {"webhook": delivery.webhook, "change": delivery.change.id, "why": failure}
    if moment - delivery.first_at > GIVE_UP_S:
        log.warning("webhook-given-up", **facts)
        return None
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**delivery.attempts)
    log.info("webhook-not-delivered", again_in_s=pause, **facts)
    return moment + pause
