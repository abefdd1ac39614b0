"""What a call of the client can raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridgework_client.documents import Fault, Remedy


class ClientError(Exception):
    """The base of all errors of this package."""


class ServiceUnreachable(ClientError):
    """No answer came from the service: it does not listen there, or the connection was lost."""


class NotBridgework(ClientError):
    """An answer came that Bridgework does not send, for example the error page of a proxy."""


class Problem(ClientError):
    """The service refused the request, or could not do it; ``document`` is its problem document (RFC 9457).

    Decide by ``code``, show ``str(problem)`` to people, and send the calls of ``remedy`` if there is one.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document.get("detail") or document.get("title", ""))
        self.document = document
        self.status = int(document.get("status", 0))
        self.code = str(document.get("code", ""))

    @property
    def remedy(self) -> Remedy | None:
        """What you can do, with the requests that do it."""
        return self.document.get("remedy")

    @property
    def errors(self) -> list[Fault]:
        """Each fault of the query or the body, with its place."""
        return self.document.get("errors") or []

    @property
    def facts(self) -> dict[str, Any]:
        """Values behind the sentence, such as the network that is in the way."""
        return self.document.get("facts") or {}
