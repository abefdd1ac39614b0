"""What a release is: the service, which starts where nothing else is, and the client, which asks it from elsewhere."""

import tarfile

from tests.support.deployment import ROOT, sh


def test_it_is_whole_and_starts_in_a_clean_environment():
    told = sh(str(ROOT / "scripts" / "dist"))
    assert "It answers." in told
    (sdist,) = (ROOT / "dist").glob("bridgework-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Dockerfile", ".dockerignore", "deploy/stack.yml", "requirements.lock", "scripts/dist", ".ci/run"} <= names
    assert not {name for name in names if name.startswith((".venv", ".bridgework", "dist"))}
