"""A thin, typed client of the HTTP API, without any package beside the standard library. See docs/clients.md."""

from bridgework_client import changes
from bridgework_client.client import Client
from bridgework_client.errors import ClientError, NotBridgework, Problem, ServiceUnreachable
from bridgework_client.pages import Pages

__all__ = ["Client", "ClientError", "NotBridgework", "Pages", "Problem", "ServiceUnreachable", "changes"]
