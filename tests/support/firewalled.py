"""What the tests of ufw and of firewalld share: the engine behind the program's rules, and what is asked of it."""

import contextlib
from dataclasses import dataclass

from tests.engines.conftest import engine_with
from tests.support.api import Client, check, run
from tests.support.host_programs import HostPrograms, host_programs
from tests.support.neighbour import Neighbour, neighbour_of
from tests.support.raw_engine import Raw
from tests.support.remedies import follow

HTTPD = ["httpd", "-f", "-p", "8080"]
AT_HOST, PUBLISHED = {"protocol": "tcp", "port": 9090}, {"protocol": "tcp", "port": 18080}


@dataclass
class Firewalled:
    """An engine, a neighbour of its host, and the program, which ``owner`` names."""

    owner: str
    api: Client
    engine: object
    neighbour: Neighbour
    host: HostPrograms

    def fill(self, **fields):
        """Make a published port, a client on another network, and a program of the host on port 9090.

        ``fields`` are those of both networks, whose subnets are 10.98.0.0/24, 10.98.1.0/24 and those of IPv6.
        """
        ipv6 = fields.get("ipv6_enabled", False)
        for number, name in enumerate(("front", "back")):
            pools = [{"subnet": f"10.98.{number}.0/24"}, *([{"subnet": f"fd00:98:{number}::/64"}] if ipv6 else [])]
            self.api.post("/v1/networks", {"name": name, "ipam": {"pools": pools}, **fields}, status=201)
        port = {"container_port": 8080, "host_port": 18080}
        run(self.api, "web", network_mode="front", command=HTTPD, published_ports=[port])
        run(self.api, "client", network_mode="back")
        Raw(self.engine).make("local", mode="host", Cmd=["httpd", "-f", "-p", "9090"])

    def diagnosis(self):
        return self.api.get("/v1/diagnostics?limit=1000")["items"]

    def follow(self, finding, **proof):
        """Run the commands of a remedy exactly as given, with the programs of the host, and prove what they do."""
        follow(self.api, Raw(self.engine), finding, run=self.host.run, **proof)

    def told(self, findings, code, *words):
        """The one finding with that code; the program is named as its cause."""
        (found,) = [finding for finding in findings if finding["code"] == code]
        assert found["evidence"]["owner"] == self.owner
        for word in words:
            assert word in found["message"], (word, found["message"])
        return found

    def asked(self, verdict, destination, **fields):
        """The findings of a check that ends as it was predicted to."""
        brief = {"timeout_ms": 400} if verdict == "unreachable" else {}  # silence needs no longer time-out
        answer = check(self.api, "client", destination, **brief, **fields)
        assert (answer["predicted"]["verdict"], answer["verdict"]) == (verdict, verdict), answer
        return answer["findings"]


@contextlib.contextmanager
def firewalled(owner, settings, tokens_file, *, allowed):
    """Start an engine with these settings, its neighbour and the programs; checks may go to the ``allowed`` subnets."""
    with (
        engine_with(settings, tokens_file, probe_allowed_cidrs=allowed) as (api, made),
        neighbour_of(made) as neighbour,
        host_programs(made) as host,
    ):
        yield Firewalled(owner, api, made, neighbour, host)
