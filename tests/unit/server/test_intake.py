"""How an answer's headers are spelled: ASGI has them in lower case, and clients that keep them in a dict do not."""

import pytest

from bridgework.server.intake import spelled


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"etag", b"ETag"),
        (b"content-type", b"Content-Type"),
        (b"idempotent-replayed", b"Idempotent-Replayed"),
        (b"x-request-id", b"X-Request-ID"),
        (b"www-authenticate", b"WWW-Authenticate"),
        (b"bridgework-dry-run", b"Bridgework-Dry-Run"),
    ],
)
def test_a_header_is_spelled_as_the_document_spells_it(name, expected):
    assert spelled(name) == expected
