"""The service under gunicorn, as it is deployed, on a machine without an engine."""

from tests.support.service import Service


def test_it_answers_without_an_engine_and_ends_when_told(tokens_file, tmp_path):
    with Service("unix:///nowhere/docker.sock", tmp_path, tokens_file) as live:
        assert live.ask("GET", "/readyz", caller=None).json["status"] == "not-ready"
        assert live.ask("GET", "/v1/networks").status == 503
        assert b"# TYPE" in live.ask("GET", "/metrics").body
        assert live.end() == 0
