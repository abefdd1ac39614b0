"""The engine's own API without the service between: to compare with, and to do things behind the service's back."""

import json
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tools.engine import ask, wait_until

PREFIX = "/v1.45"


class Raw:
    """One engine by its socket."""

    def __init__(self, engine):
        self.socket = Path(engine.socket)
        self.namespace = engine.namespace

    def send(self, method, path, body=None, *, prefix=PREFIX):
        """The engine's status and its answer, parsed."""
        sent = None if body is None else json.dumps(body).encode()
        status, answer = ask(self.socket, method, prefix + path, sent, "application/json")
        try:
            return status, json.loads(answer) if answer else None
        except ValueError:
            return status, answer.decode()

    def do(self, method, path, body=None, *, prefix=PREFIX):
        """The answer of a call that must succeed."""
        status, answer = self.send(method, path, body, prefix=prefix)
        assert status < 300 or status == 304, (method, path, status, answer)
        return answer

    def get(self, path):
        return self.do("GET", path)

    def containers(self):
        return {raw["Id"]: self.get(f"/containers/{raw['Id']}/json") for raw in self.get("/containers/json?all=1")}

    def networks(self):
        return {raw["Id"]: raw for raw in self.get("/networks")}

    def make_network(self, name, *pools, **fields):
        ipam = {"IPAM": {"Config": [{"Subnet": subnet} for subnet in pools]}} if pools else {}
        return self.do("POST", "/networks/create", {"Name": name, **ipam, **fields})["Id"]

    def make(self, name, *, start=True, mode="none", host=None, networks=None, **fields):
        """A container made by the engine's own API; its full id."""
        body = {
            "Image": "busybox",
            "Cmd": ["sleep", "600"],
            **fields,
            "HostConfig": {"NetworkMode": mode, **(host or {})},
            **({"NetworkingConfig": {"EndpointsConfig": networks}} if networks else {}),
        }
        made = self.do("POST", f"/containers/create?name={quote(name)}", body)["Id"]
        if start:
            self.do("POST", f"/containers/{made}/start")
        return made

    def connect(self, network, container, **settings):
        self.do("POST", f"/networks/{network}/connect", {"Container": container, "EndpointConfig": settings})

    def disconnect(self, network, container, *, force=False):
        self.do("POST", f"/networks/{network}/disconnect", {"Container": container, "Force": force})

    def remove(self, container):
        self.send("DELETE", f"/containers/{container}?force=1")

    def in_namespace(self, *command):
        """Run a program in the engine's network namespace."""
        done = subprocess.run(
            ["nsenter", f"--net={self.namespace}", "--", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def settle(self):
        """Wait until no kernel looks for a duplicate of an address any more: it takes up to two seconds.

        Until then nothing is sent from the address, and nothing is answered.
        """
        running = (one["State"]["Pid"] for one in self.containers().values() if one["State"]["Running"])
        for place in (self.namespace, *(f"/proc/{pid}/ns/net" for pid in running)):
            assert wait_until(partial(_settled, place), 20), (place, tentative(place))

    def sweep(self):
        """Remove every container and every custom network, stale endpoints too."""
        for raw in self.get("/containers/json?all=1"):
            self.remove(raw["Id"])
        custom = [raw for raw in self.get("/networks") if raw["Name"] not in {"bridge", "host", "none"}]
        for raw in sorted(custom, key=lambda network: network["ConfigOnly"]):
            for stale in (self.get(f"/networks/{raw['Id']}").get("Containers") or {}).values():
                self.send("POST", f"/networks/{raw['Id']}/disconnect", {"Container": stale["Name"], "Force": True})
            self.do("DELETE", f"/networks/{raw['Id']}")


def tentative(place):
    """The addresses in a namespace that their kernel does not use yet. A link without a carrier looks for none."""
    command = ["nsenter", f"--net={place}", "--", "ip", "-j", "-6", "addr", "show", "tentative"]
    links = json.loads(subprocess.run(command, capture_output=True, check=True).stdout or "[]")
    carried = [link for link in links if link and "NO-CARRIER" not in link["flags"]]
    # Objects without an address stand for those that the filter leaves out.
    shown = (address for link in carried for address in link["addr_info"])
    return [address["local"] for address in shown if "local" in address and not address.get("dadfailed")]


def _settled(place):
    return not tentative(place)
