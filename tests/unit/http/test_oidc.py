"""A platform's own JWTs, against a provider on the loopback that signs them and can be made to misbehave."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.http import oidc
from bridgework.settings import Settings
from tests.support.api import Client
from tests.support.fake_engine import BlindRunner, FakeEngine
from tests.support.service import until

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_PUBLIC = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
ISSUER, AUDIENCE = "https://issuer.example", "bridgework"


def key_set():
    rs = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())) | {"kid": "rs", "use": "sig", "alg": "RS256"}
    es = json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())) | {"kid": "es", "use": "sig"}
    shared = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"}
    return [rs, es, shared, {"kty": "RSA", "kid": "broken"}, {"kty": "RSA", "kid": 7}]


@dataclass
class Provider:
    """``asked`` counts; an answer waits for ``may_answer``, and then for ``delay_s`` more."""

    port: int = 0
    asked: int = 0
    status: int = 200
    keys: list = field(default_factory=key_set)
    body: bytes | None = None
    delay_s: float = 0
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.may_answer.set()

    def respond(self, handler):
        self.asked += 1
        self.may_answer.wait(10)
        time.sleep(self.delay_s)
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        handler.send_response(self.status)
        if self.status == 302:
            handler.send_header("Location", f"http://127.0.0.1:{self.port}/elsewhere")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def provider():
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(ConnectionError):  # the service does not wait for a late answer
                made.respond(self)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def platform(provider, tokens):
    url = f"http://127.0.0.1:{provider.port}/jwks"
    settings = Settings(tokens_file=tokens, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_url=url)
    return Client(create_app(settings, EngineAddress("unix:///nowhere"), engine=FakeEngine(), runner=BlindRunner()))


def a_key_set_with(bits):
    """A signing key of that size, and a provider's set that holds it beside the usual ones."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key, [*key_set(), json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "sized", "use": "sig"}]


def claims(**changed):
    now = int(time.time())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ci", "iat": now, "exp": now + 60, "bridgework_role": "operator"}
    return {name: value for name, value in {**given, **changed}.items() if value is not None}


def token(payload=None, *, key=RSA_KEY, algorithm="RS256", kid="rs"):
    return jwt.encode(payload or claims(), key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def ask(client, value, method="GET", path="/v1/networks", body=None):
    return client.send(method, path, body, headers={"Authorization": f"Bearer {value}"})


@pytest.mark.filterwarnings("ignore:The RSA key is")
@pytest.mark.parametrize(("bits", "status"), [(1024, 401), (2040, 401), (2048, 200)])
def test_an_rsa_key_of_the_provider_has_2048_bits_at_least(provider, platform, bits, status):
    key, provider.keys = a_key_set_with(bits)
    assert ask(platform, token(key=key, kid="sized")).status_code == status
    assert ask(platform, token()).status_code == 200, "the other keys of the set stay usable"


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rs"), (EC_KEY, "ES256", "es")])
def test_a_valid_token_is_a_caller(platform, key, algorithm, kid):
    value = token(claims(bridgework_project="edge"), key=key, algorithm=algorithm, kid=kid)
    assert ask(platform, value).status_code == 200
    made = ask(platform, value, "POST", "/v1/networks", {"name": "edge-net"})
    assert made.get_json()["labels"]["io.bridgework.project"] == "edge"
    assert ask(platform, token(claims(aud=["other", AUDIENCE]))).status_code == 200


def forged_hs256():
    head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": "rs"}).encode())
    body = jwt.utils.base64url_encode(json.dumps(claims()).encode())
    mark = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(head + b"." + body, RSA_PUBLIC)
    return b".".join([head, body, jwt.utils.base64url_encode(mark)]).decode()


REFUSED = {
    "another issuer": lambda: token(claims(iss="https://evil.example")),
    "no issuer": lambda: token(claims(iss=None)),
    "another audience": lambda: token(claims(aud="other")),
    "no audience": lambda: token(claims(aud=None)),
    "expired": lambda: token(claims(exp=int(time.time()) - 3600)),
    "without an end": lambda: token(claims(exp=None)),
    "not yet": lambda: token(claims(nbf=int(time.time()) + 3600)),
    "without a subject": lambda: token(claims(sub=None)),
    "a subject with a control character": lambda: token(claims(sub="ci\x1b[2J")),
    "a subject with a line feed": lambda: token(claims(sub="ci\nadmin")),
    "a subject that turns the writing around": lambda: token(claims(sub="ci\u202e")),
    "a subject of spaces": lambda: token(claims(sub="  ")),
    "a project with a control character": lambda: token(claims(bridgework_project="edge\x9b")),
    "an unknown role": lambda: token(claims(bridgework_role="root")),
    "no role": lambda: token(claims(bridgework_role=None)),
    "a list of roles": lambda: token(claims(bridgework_role=["admin"])),
    "a project that is none": lambda: token(claims(bridgework_project=["a"])),
    "an empty project": lambda: token(claims(bridgework_project="")),
    "unsigned": lambda: jwt.encode(claims(), None, algorithm="none", headers={"kid": "rs"}),
    "signed with the public key as a secret": forged_hs256,
    "signed with a shared secret of the set": lambda: token(key="secret" * 8, algorithm="HS256", kid="shared"),
    "signed with another key": lambda: token(key=OTHER_RSA_KEY),
    "another algorithm": lambda: token(algorithm="RS512"),
    "the wrong kind of key": lambda: token(kid="es"),
    "an unknown key": lambda: token(kid="none-such"),
    "an unusable key": lambda: token(kid="broken"),
    "without a key's id": lambda: token(kid=None),
    "cut short": lambda: token()[:-8],
    "changed": lambda: token()[:40] + "AAAA" + token()[44:],
    "no token": lambda: "a.b.c",
    "deep": lambda: jwt.utils.base64url_encode(b"[" * 2900).decode() + ".e30.",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_any_other_token_is_refused(platform, make):
    response = ask(platform, make())
    assert (response.status_code, response.get_json()["code"]) == (401, "token-invalid")


def test_a_subject_is_never_a_name_of_the_tokens_file(platform):
    """Neither its rate nor its keys for retries."""
    idempotent = {"Authorization": f"Bearer {token(claims(sub='operator'))}", "Idempotency-Key": "k"}
    first = platform.send("POST", "/v1/networks", {"name": "ab"}, headers=idempotent)
    again = platform.as_("operator").send("POST", "/v1/networks", {"name": "ab"}, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 409)


def test_the_files_own_tokens_work_beside(platform, provider):
    assert platform.as_("viewer").send("GET", "/v1/networks").status_code == 200
    assert provider.asked == 0


def test_keys_are_fetched_seldom_whatever_is_sent(platform, provider):
    assert ask(platform, token()).status_code == 200
    for number in range(20):
        ask(platform, token(kid=f"made-up-{number}"))
    assert provider.asked == 1


def test_new_keys_are_found_and_old_ones_leave(platform, provider, monkeypatch):
    monkeypatch.setattr(oidc, "FETCH_AGAIN_S", 0)
    assert ask(platform, token()).status_code == 200
    provider.keys = [key for key in provider.keys if key["kid"] == "es"] + [
        json.loads(RSAAlgorithm.to_jwk(OTHER_RSA_KEY.public_key())) | {"kid": "next"}
    ]
    assert ask(platform, token(key=OTHER_RSA_KEY, kid="next")).status_code == 200
    assert ask(platform, token()).status_code == 401


@pytest.mark.parametrize("broken", [
    {"status": 500}, {"status": 302}, {"body": b"<html>"}, {"body": b"[]"}, {"body": b'{"keys": 7}'},
    {"body": b"x" * 2_000_000}, {"body": b"[" * 100_000},
])  # fmt: skip
def test_a_provider_that_misbehaves_is_a_503_for_its_tokens_alone(platform, provider, broken):
    for name, value in broken.items():
        setattr(provider, name, value)
    response = ask(platform, token())
    assert (response.status_code, response.get_json()["code"]) == (503, "identity-provider-unreachable")
    assert int(response.headers["Retry-After"]) > 0
    assert platform.as_("viewer").send("GET", "/v1/networks").status_code == 200


def test_a_provider_that_stalls_is_waited_for_no_longer_than_said(platform, provider, monkeypatch):
    monkeypatch.setattr(oidc, "FETCH_S", 0.3)
    provider.delay_s = 30
    began = time.monotonic()
    assert ask(platform, token()).status_code == 503
    assert time.monotonic() - began < 20


def test_a_slow_provider_holds_up_nobody_whose_key_is_known(platform, provider, monkeypatch):
    assert ask(platform, token()).status_code == 200
    monkeypatch.setattr(oidc, "RENEWED_S", 0)
    monkeypatch.setattr(oidc, "FETCH_AGAIN_S", 0)
    provider.may_answer.clear()
    with ThreadPoolExecutor(1) as other:
        renewing = other.submit(ask, platform, token())
        until(lambda: provider.asked == 2, 30, "a second request to the provider")
        assert ask(platform, token()).status_code == 200
        assert not renewing.done(), "the provider still keeps its answer back"
        provider.may_answer.set()
        assert renewing.result().status_code == 200


def test_keys_in_hand_outlive_a_provider_that_is_gone(platform, provider, monkeypatch):
    assert ask(platform, token()).status_code == 200
    provider.status = 500
    monkeypatch.setattr(oidc, "RENEWED_S", 0)
    monkeypatch.setattr(oidc, "FETCH_AGAIN_S", 0)
    assert ask(platform, token()).status_code == 200
    monkeypatch.setattr(oidc, "TRUSTED_S", 0)
    assert ask(platform, token()).status_code == 503
