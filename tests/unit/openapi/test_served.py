"""The document and the reference page are open to everybody, and cached by their ETag."""

from tests.support.spec_validator import DOCUMENT


def test_the_documents_and_the_page_are_open_and_cached_by_etag(make):
    client = make().app.test_client()
    for path in ("/openapi.json", "/openapi.yaml", "/docs"):
        first = client.get(path)
        assert first.status_code == 200
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304
    assert client.get("/openapi.json").get_json() == DOCUMENT
    assert "script-src" not in first.headers["Content-Security-Policy"]
    assert "unsafe" not in first.headers["Content-Security-Policy"]
    assert client.get("/docs/none.js").status_code == 404
