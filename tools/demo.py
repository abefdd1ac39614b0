"""``make demo``: five typical faults of Docker networks, found, explained and fixed on a private engine.

It makes three projects as compose would make them, and shows each fault by the commands that a person would type. The
private engine and the service are removed at the end. On a terminal it waits for Enter between the steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bridgework_client import Client
from tools.engine import EngineError, become_root, raise_once
from tools.live_service import TOKEN, Live, live_service

HTTPD = ("httpd", "-f", "-p", "8080")
SLEEP = ("sleep", "3600")


@dataclass(frozen=True)
class Container:
    """A container as compose makes it: named after its project, with an alias for its service."""

    project: str
    service: str
    network: str
    command: tuple[str, ...] = HTTPD

    @property
    def name(self) -> str:
        """Its name on the engine, such as ``shop-web-1``."""
        return f"{self.project}-{self.service}-1"

    def body(self) -> Any:
        """Make the request that creates it."""
        labels = {"com.docker.compose.project": self.project, "com.docker.compose.service": self.service}
        made: dict[str, Any] = {"name": self.name, "image": "busybox", "command": list(self.command), "labels": labels}
        if self.network == "bridge" or ":" in self.network:
            return {**made, "network_mode": self.network}
        return {**made, "networks": [{"network": self.network, "aliases": [self.service]}]}


KEPT_SECONDS = 30.0
NETWORKS = ("shop_front", "shop_back", "blog_default")
SCENE = (
    Container("shop", "web", "shop_front"),
    Container("shop", "api", "shop_back"),
    Container("shop", "agent", "container:shop-api-1", SLEEP),
    Container("blog", "web", "blog_default"),
    Container("blog", "db", "blog_default"),
    Container("blog", "cache", "blog_default", ("httpd", "-f", "-p", "127.0.0.1:8080")),
    Container("metrics", "scraper", "bridge", SLEEP),
    Container("metrics", "exporter", "bridge"),
)


@dataclass(frozen=True)
class Fault:
    """A fault: how a user notices it, and the check that explains it."""

    told: str
    source: str
    destination: str
    repair: tuple[Any, ...] = field(default=())
    """Requests for a fault whose remedy is a change in the user's own configuration."""
    repair_told: str = ""


FAULTS = (
    Fault("The shop's web cannot call its api.", "shop-web-1", "api:8080"),
    Fault("The blog lost its database.", "blog-web-1", "db:8080"),
    Fault("The scraper cannot find the exporter by name.", "metrics-scraper-1", "metrics-exporter-1:8080"),
    Fault("The api was restarted. Now the agent, which shares its network, is cut off.", "shop-agent-1", "api:8080"),
    Fault("The cache runs, and nobody can connect to it.", "blog-web-1", "cache:8080",
          (Container("blog", "cache", "blog_default"),), "You change the command of the cache and create it again."),
)  # fmt: skip
EXPECTATIONS = "".join(
    f"- {{source: {fault.source}, destination: '{fault.destination}', expect: reachable}}\n" for fault in FAULTS
)


class Walk:
    """The walk through the faults on one live service."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.client = Client(live.url, TOKEN)
        self.patient = sys.stdin.isatty() and sys.stdout.isatty()
        self.steps = 0

    def make_scene(self) -> None:
        """Create the three projects, and cause the faults that come with time."""
        for network in NETWORKS:
            project = network.partition("_")[0]
            self.client.create_network({"name": network, "labels": {"com.docker.compose.project": project}})
        for container in SCENE:
            self.client.create_container(container.body())
        self.client.stop_container("blog-db-1", grace_s=0)
        self.client.restart_container("shop-api-1", grace_s=0)

    def say(self, text: str) -> None:
        """Tell the person what comes next."""
        print(f"\n{text}", flush=True)

    def run(self, *arguments: str, feed: str | None = None) -> int:
        """Show a command as it is typed, and run it."""
        self.steps += 1
        print(f"$ bridgework {' '.join(arguments)}", flush=True)
        environment = {**os.environ, "BRIDGEWORK_URL": self.live.url, "BRIDGEWORK_TOKEN": TOKEN}
        command = [sys.executable, "-m", "bridgework_cli", *arguments]
        return subprocess.run(command, env=environment, input=feed, text=True, check=False).returncode

    def pause(self) -> None:
        """Wait for the person, if there is one."""
        if self.patient:
            input("\n[Enter] ")

    def show(self, number: int, fault: Fault) -> bool:
        """Find one fault and fix it; return whether it is gone."""
        self.say(f"{number}. {fault.told}")
        if self.run("check", fault.source, fault.destination) != 1:
            return False
        self.pause()
        if not fault.repair:
            return self.run("fix", fault.source, fault.destination, "--yes") == 0
        self.say(fault.repair_told)
        for container in fault.repair:
            self.client.delete_container(container.name, force=True)
            self.client.create_container(container.body())
        return self.run("check", fault.source, fault.destination) == 0

    def whole(self) -> bool:
        """Walk through all faults; return whether each was found and fixed."""
        self.say("Three projects run on a private engine: shop, blog and metrics.")
        self.run("containers")
        self.say(f"See them in the console: {self.live.url}/console (token: {TOKEN})")
        self.pause()
        gone = [self.show(number, fault) for number, fault in enumerate(FAULTS, 1)]
        self.say("In a pipeline you write down what must work. This file holds now:")
        print(EXPECTATIONS, end="")
        passed = self.run("assert", "-", feed=EXPECTATIONS) == 0
        return all(gone) and passed and self.keep()

    def keep(self) -> bool:
        """Keep the expectations, break one, and return whether the service names what broke it."""
        self.say("The service can keep that file, and tell what breaks it.")
        if self.run("expect", "apply", "-", "--name", "demo", feed=EXPECTATIONS) != 0:
            return False
        if not self.await_set(met=len(FAULTS)):
            return False
        self.say("Somebody disconnects the blog's database from its network.")
        self.client.disconnect_container("blog_default", "blog-db-1")
        return self.await_set(violated=1) and self.run("expect", "changes", "demo", "--count", "1") == 0

    def await_set(self, **counts: int) -> bool:
        """Wait until so many expectations have these statuses."""
        end = time.monotonic() + KEPT_SECONDS
        while time.monotonic() < end:
            found: Any = self.client.get_expectations("demo")
            if all(found[status] == number for status, number in counts.items()):
                return True
            time.sleep(0.1)
        return False


def demonstrate() -> int:
    """Run the demo; return the exit status."""
    print("Starting a private engine and a service; both are removed at the end.", flush=True)
    with live_service("demo") as live:
        began = time.monotonic()
        walk = Walk(live)
        walk.make_scene()
        right = walk.whole()
        seconds = time.monotonic() - began
        walk.say(f"{len(FAULTS)} faults, {walk.steps} commands, {seconds:.0f} seconds.")
        if walk.patient:
            input("[Enter] removes the scene, the service and the engine. ")
    if not right:
        print("Something did not go as it should: see above.")
    return 0 if right else 1


def main() -> int:
    """Become root, which a private engine needs, and run the demo; the engine's start installs what it needs."""
    raise_once()
    try:
        become_root()
        return demonstrate()
    except EngineError as error:
        print(error)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
