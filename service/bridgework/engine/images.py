"""The image that a reference means: by name and tag, by digest, or by the first digits of an id.

Source: the reference grammar of the distribution project (a plain name stands for ``docker.io/library/…``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Docker Hub has both names, and a plain name means it.
_HOME = re.compile(r"(?:index\.)?docker\.io/")
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


def is_known(images: Iterable[Mapping[str, Any]], reference: str) -> bool:
    """Return whether the reference means one of the images, which are items of ``GET /images/json``."""
    normalised = normal(reference)
    # An image without a tag is known by its id alone; "abc123" may be a name or the digits of an id.
    digits = _ID.fullmatch(reference)
    for image in images:
        # An untagged image may have null instead of a list.
        names = (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ()))
        if any(normal(name) == normalised for name in names):
            return True
        if digits and str(image["Id"]).removeprefix("sha256:").startswith(digits[1]):
            return True
    return False


def normal(reference: str) -> str:
    """Return the reference without Docker Hub and with a tag: ``docker.io/library/busybox`` is ``busybox:latest``."""
    # A digest names the image by itself; Docker ignores a tag beside it.
    name, at, digest = _HOME.sub("", reference, count=1).removeprefix("library/").partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # the colon was that of a registry's port
        path, tag = name, "latest"
    return f"{path}@{digest}" if at else f"{path}:{tag}"
