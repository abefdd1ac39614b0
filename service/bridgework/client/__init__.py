"""A thin, typed client of the HTTP API, without any package beside the standard library. See docs/clients.md."""

from bridgework.client import changes
from bridgework.client.client import Client
from bridgework.client.errors import ClientError, NotBridgework, Problem, ServiceUnreachable
from bridgework.client.pages import Pages

__all__ = ["Client", "ClientError", "NotBridgework", "Pages", "Problem", "ServiceUnreachable", "changes"]
