"""An engine on TCP behind TLS, which both sides verify: reads, changes, and checks by helper containers."""

import datetime as dt
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.engine import ENGINE_PROGRAMS
from tests.support.probe_image import make_probe_image
from tools.engine import PrivateEngine

ROOT = Path(__file__).resolve().parents[2]
LISTEN = "127.0.0.1:2376"
"""In the engine's own namespace, where the service of these tests is, too."""

ASK = """
import json, os, sys
from tests.support.api import Client
from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import read_settings
api = Client(create_app(read_settings(), EngineAddress.from_environment(os.environ)))
answers = []
for method, path, body in json.load(sys.stdin):
    response = api.send(method, path, body)
    answers.append([response.status_code, response.get_json(silent=True)])
print(json.dumps(answers))
"""


def certify(folder, name, issuer=None, issuer_key=None):
    """Write a key and a certificate, signed by itself (the authority) or by the issuer; the certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    signing = issuer_key or key
    key_usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=issuer is None, crl_sign=issuer is None, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(key_usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    made = builder.sign(signing, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}-key.pem").write_bytes(key.private_bytes(*plain))
    return made, key


@pytest.fixture(scope="module")
def engine():
    folder = Path(tempfile.mkdtemp(prefix="bridgework-tls-"))
    authority = certify(folder, "ca")
    certify(folder, "server", *authority)
    certify(folder, "cert", *authority)
    (folder / "cert-key.pem").rename(folder / "key.pem")
    settings = {
        "hosts": [f"tcp://{LISTEN}"], "tlsverify": True, "tlscacert": str(folder / "ca.pem"),
        "tlscert": str(folder / "server.pem"), "tlskey": str(folder / "server-key.pem"),
    }  # fmt: skip
    try:
        name = f"bridgework-tls-{os.getpid()}"
        with PrivateEngine(folder / "engine", name, settings=settings, programs=ENGINE_PROGRAMS) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(engine, tokens_file, *requests, certificates=None, **settings):
    """Send the requests to a service beside the engine; each answer's status and body."""
    environment = {
        **os.environ, "DOCKER_HOST": f"tcp://{LISTEN}", "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(certificates or engine.directory.parent), "BRIDGEWORK_TOKENS_FILE": str(tokens_file),
        **{f"BRIDGEWORK_{name}": value for name, value in settings.items()},
    }  # fmt: skip
    done = subprocess.run(
        ["nsenter", f"--net={engine.namespace}", sys.executable, "-c", ASK],
        check=True, cwd=ROOT, env=environment, input=json.dumps(requests), capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def container(name):
    body = {"name": name, "image": "busybox", "command": ["sleep", "600"], "network_mode": "net"}
    return ("POST", "/v1/containers", body)


@pytest.mark.slow
def test_an_engine_behind_tls_is_read_changed_and_checked_by_helpers(engine, tokens_file):
    check = {"source": {"container": "web"}, "destination": {"container": "db"}, "count": 3, "interval_ms": 200}
    answers = ask(
        engine,
        tokens_file,
        ("POST", "/v1/networks", {"name": "net"}),
        container("web"),
        container("db"),
        ("GET", "/v1/engine", None),
        ("POST", "/v1/connectivity/checks", check),
        ("POST", "/v1/connectivity/matrix", {"network": "net"}),
        ("DELETE", "/v1/containers/web?force=true", None),
        ("DELETE", "/v1/containers/db?force=true", None),
        PROBE_IMAGE=make_probe_image(engine),
        PROBE_RUNNER="sidecar",
    )
    assert [status for status, _ in answers] == [201, 201, 201, 200, 200, 200, 204, 204], json.dumps(answers)
    assert answers[3][1]["probe_runner"]["kind"] == "sidecar"
    checked = answers[4][1]
    assert (checked["measured"]["verdict"], checked["measured"]["successes"]) == ("reachable", 3), checked
    assert answers[5][1]["summary"]["reachable"] == 2


@pytest.mark.slow
def test_an_engine_with_another_authority_is_not_trusted(engine, tokens_file, tmp_path):
    certify(tmp_path, "ca")
    for name in ("cert.pem", "key.pem"):
        shutil.copy(engine.directory.parent / name, tmp_path)
    ((status, problem),) = ask(engine, tokens_file, ("GET", "/v1/networks", None), certificates=tmp_path)
    assert (status, problem["code"]) == (503, "engine-unreachable")
    assert "certificate" in problem["detail"].lower()
