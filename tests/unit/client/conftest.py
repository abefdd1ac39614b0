"""The client's retries do not wait here."""

import pytest


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("bridgework_client.transport.time.sleep", lambda _: None)
