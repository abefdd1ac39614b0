"""Rules of other programs than Docker on an engine's host: random ones, and a closed INPUT as ufw writes it."""

import contextlib

INPUT_CHAIN = "ufw-like-input"
CLOSED_INPUT = (
    ("-N", INPUT_CHAIN),
    ("-A", INPUT_CHAIN, "-i", "lo", "-j", "ACCEPT"),
    ("-A", INPUT_CHAIN, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"),
    ("-A", INPUT_CHAIN, "-p", "icmp", "-j", "ACCEPT"),
    ("-A", INPUT_CHAIN, "-p", "tcp", "--dport", "22", "-j", "ACCEPT"),
    ("-A", INPUT_CHAIN, "-j", "DROP"),
    ("-A", "INPUT", "-j", INPUT_CHAIN),
)


@contextlib.contextmanager
def rules(raw, *written):
    """Write rules of iptables in the engine's namespace, each as the words behind ``iptables``, and delete them."""
    made = []
    try:
        for rule in written:
            raw.in_namespace("iptables", *rule)
            made.append(rule)
        yield
    finally:
        for rule in reversed(made):
            raw.in_namespace("iptables", *deletion(rule))


def deletion(rule):
    """The words that delete what these words write."""
    words = ["-D" if word in {"-A", "-I"} else "-X" if word == "-N" else word for word in rule]
    # The position of an insertion is no part of its deletion.
    at = words.index("-D") + 2 if "-D" in words else 0
    return [*words[:at], *words[at + 1 :]] if at and words[at].isdecimal() else words


class RandomRules:
    """Up to three rules or chains at a time, chosen by the dice."""

    def __init__(self, raw, dice, port, first_port):
        self._raw, self._dice, self._port, self._first_port = raw, dice, port, first_port
        self._open = contextlib.ExitStack()
        self.written = []

    def change(self, snapshot):
        """Delete the rules that are there, and write others."""
        self.close()
        for _ in range(self._dice.randint(0, 3)):
            chosen = self._chosen(snapshot)
            self.written += chosen
            self._open.enter_context(rules(self._raw, *chosen))

    def close(self):
        """Delete the rules."""
        self._open.close()
        self.written.clear()

    def _chosen(self, snapshot):
        dice, table = self._dice, self._dice.choice(["user", "forward", "input", "raw", "dnat", "local-dnat"])
        # Twice the same rule could not be told apart when one is deleted.
        mark = ["-m", "comment", "--comment", f"test {dice.randrange(10**9)}"]
        match, place = [*self._match(snapshot), *mark], dice.choice([["-A"], ["-I"], ["-I"]])
        if table == "user":
            return ([*place, "DOCKER-USER", *match, "-j", dice.choice(["DROP", "DROP", "ACCEPT"])],)
        if table == "forward":
            return ([*place, "FORWARD", *match, "-j", dice.choice(["DROP", "ACCEPT"])],)
        if table == "input":
            return CLOSED_INPUT if not self._has_closed_input() else ()
        if table == "raw":
            match = ["-i" if word == "-o" else word for word in match]
            return (["-t", "raw", *place, "PREROUTING", *match, "-j", "DROP"],)
        chain = "PREROUTING" if table == "dnat" else "OUTPUT"
        target = f"{self._address(snapshot)}:{self._port}"
        port = self._first_port + dice.randint(1, 60)
        taken = ["-p", "tcp", "--dport", str(port)]
        return (["-t", "nat", *place, chain, *taken, *mark, "-j", "DNAT", "--to-destination", target],)

    def _has_closed_input(self):
        return INPUT_CHAIN in self._raw.in_namespace("iptables", "-S", "INPUT")

    def _match(self, snapshot):
        dice = self._dice
        bridges = [network.bridge_name for network in snapshot.networks if network.bridge_name]
        found = dice.choice(
            [
                ["-s", self._address(snapshot)],
                ["-d", self._address(snapshot)],
                ["-i", dice.choice(bridges)],
                ["-o", dice.choice(bridges)],
            ]
        )
        more = dice.choice([[], ["-p", "tcp", "--dport", str(self._port)], ["-p", "icmp"]])
        return [*found, *more]

    def _address(self, snapshot):
        known = [e.ipv4_address for one in snapshot.containers for e in one.endpoints if e.ipv4_address]
        return self._dice.choice([*known, "10.200.0.9"])
