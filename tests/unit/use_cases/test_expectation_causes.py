"""The cause of a change: what appeared or disappeared, and the event that fits, never a guess."""

from bridgework.model.checks import Verdict
from bridgework.model.expectations import NOT_KNOWN, ExpectationState, SignOfChange, Status
from bridgework.use_cases.expectations.cause import Seen, cause_of

WEB, DB = "a" * 64, "b" * 64
ENDS = frozenset({WEB, DB})


def finding(code, message="It is so.", severity="blocking", kind="host", component="host"):
    place = {"kind": kind, "id": component, "name": component}
    return {"code": code, "severity": severity, "component": place, "message": message, "evidence": {}, "remedy": None}


DROPS = finding("user-firewall-drop", "FORWARD drops.")
STOPPED = finding("destination-not-running", "db is exited.", kind="container", component=DB)
LOST = finding("prediction-inconsistent", "Predicted reachable, measured timed-out. Last seen at veth1.")


def state(*findings):
    return ExpectationState(Status.MET, Verdict.REACHABLE, "t", "t", "", findings)


def closed(*findings):
    return Seen(Verdict.UNREACHABLE, findings, "It is closed.", ends=ENDS)


def opened(*findings):
    return Seen(Verdict.REACHABLE, findings, "It is open.", ends=ENDS)


def sign(kind, what="It happened.", *ids):
    return SignOfChange(kind, "t", what, ids)


def test_the_finding_that_appeared_is_the_cause_with_its_event():
    stop, other = sign("engine", "stop", DB, "db"), sign("engine", "stop", "c" * 64, "other")
    cause = cause_of(state(), closed(STOPPED), [stop, other])
    assert (cause.code, cause.component["id"], cause.event) == ("destination-not-running", DB, stop)


def test_a_finding_that_was_there_before_is_not_the_cause():
    was = finding("no-listener", kind="container", component=DB)
    assert cause_of(state(was), closed(was, STOPPED), []).code == "destination-not-running"


def test_the_finding_that_is_gone_is_the_cause_of_an_opening():
    removed = sign("rules", "iptables removed it.", "iptables")
    cause = cause_of(state(DROPS), opened(), [removed])
    assert (cause.code, cause.event) == ("user-firewall-drop", removed)
    assert DROPS["message"] in cause.message


def test_an_event_of_the_engine_about_others_is_not_named():
    assert cause_of(state(), closed(DROPS), [sign("engine", "start", "c" * 64)]).event is None


def test_two_programs_that_changed_the_rules_leave_it_open():
    both = [sign("rules", "one", "iptables"), sign("rules", "other", "firewalld")]
    assert cause_of(state(), closed(DROPS), both).event is None
    assert cause_of(state(), closed(DROPS), both[:1]).event is both[0]


def test_a_link_is_named_by_the_finding():
    down = finding("link-down", "The link veth1 is down.", kind="interface", component="veth1")
    signs = [sign("link", "The link veth1 is down.", "veth1"), sign("link", "The link veth2 is up.", "veth2")]
    assert cause_of(state(), closed(down), signs).event is signs[0]


def test_a_packet_that_was_lost_without_a_cause_is_not_known():
    cause = cause_of(state(), closed(LOST), [sign("rules", "It changed.", "nft")])
    assert (cause.code, cause.component, cause.event) == (NOT_KNOWN, None, None)
    assert "Last seen at veth1." in cause.message


def test_an_error_is_its_own_cause():
    gone = sign("engine", "destroy", DB, "db")
    cause = cause_of(state(), Seen(None, (), 'No container has the name "db".', "container-not-found"), [gone])
    assert (cause.code, cause.event) == ("container-not-found", gone)


def test_a_link_that_the_packet_passes_explains_what_no_finding_does():
    down, up = sign("link", "The link br-1 is down.", "br-1"), sign("link", "The link br-1 is up.", "br-1")
    lost = Seen(Verdict.UNREACHABLE, (LOST,), "It is closed.", ends=ENDS, path=frozenset({"eth0", "br-1"}))
    cause = cause_of(state(), lost, [down])
    assert (cause.code, cause.component["name"], cause.event) == ("link-down", "br-1", down)
    assert cause_of(state(), lost, [sign("link", "The link br-2 is down.", "br-2")]).code == NOT_KNOWN
    assert cause_of(state(), lost, [down, up]).code == NOT_KNOWN
    whole = Seen(Verdict.REACHABLE, (), "It is open.", ends=ENDS, path=lost.path)
    assert cause_of(state(LOST), whole, [up]).code == "link-down"
