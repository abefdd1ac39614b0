"""The rules that packets meet on the engine's host: those that were read, else those that the engine writes."""

from __future__ import annotations

from functools import lru_cache

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.analysis.host_rules import ruleset_of_host
from bridgework.firewall.ruleset import Ruleset


# Each walk of a packet asks for the rules, and those of a large engine take long to write.
@lru_cache(maxsize=8)
def rules_in_effect(state: EngineState, version: int) -> Ruleset | None:
    """Return the rules of one IP version that packets meet on the host; ``None`` where they are not known.

    Where the host's rules were not read, these are the engine's own. A rule of which it is not known whether the engine
    writes it is taken both ways. Rules of other programs are then not known at all.
    """
    rules = state.observations.firewall
    if rules is not None:
        return ruleset_of_host(rules, version)
    written = written_rules(state, version)
    return None if written is None else written.ruleset
