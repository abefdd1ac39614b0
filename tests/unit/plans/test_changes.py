"""The ports that a container publishes after a change, on the networks that give it its default routes."""

from bridgework.model.create_specs import EndpointSpec
from bridgework.plans import changes
from tests.support.worlds import container, network, published, world

OPTION = "com.docker.network.bridge."
ROUTED = network("routed", "10.1.0.0/24", options={OPTION + "gateway_mode_ipv4": "routed"})
DUAL = network("dual", "10.2.0.0/24", subnet6="fd00:2::/64")
ON_LOOPBACK = network("loopback", "10.3.0.0/24", options={OPTION + "host_binding_ipv4": "127.0.0.1"})
ONLY6 = network("only6", None, subnet6="fd00:4::/64", ipv4_enabled=False)
ANY = published(9000, 80, "")


def listed(snapshot):
    return [(p.host_ip, p.host_port) for p in snapshot.containers_by_name["web"][0].published_ports]


def on(place, *, port=ANY):
    """A container that publishes a port, stopped, on one network."""
    return container("web", place, state="exited", configured_ports=(port,))


def run(place, *, release=(28, 5)):
    web = on(place)
    return changes.started(world(ROUTED, DUAL, ON_LOOPBACK, ONLY6, web), web.id, 1, release), web


def test_docker_28_publishes_on_the_network_of_both_families_whatever_the_priority():
    ahead = EndpointSpec(gateway_priority=1)
    before, web = run(DUAL)
    assert listed(before) == [("0.0.0.0", 9000), ("::", 9000)]
    # On Docker 29.4 and later the routed network gives the IPv4 route, and no port of the host is taken there.
    for release, four in (((28, 5), 9000), ((29, 7), None)):
        after = changes.with_endpoint(before, ROUTED.id, web.id, ahead, release)
        assert listed(after) == [("0.0.0.0", four), ("::", 9000)]
    # The same, the other way round: what is published moves at the connect, and back at the disconnect.
    before, web = run(ROUTED)
    assert listed(before) == [("0.0.0.0", None), ("::", 9000)]
    after = changes.with_endpoint(before, DUAL.id, web.id, EndpointSpec(gateway_priority=-1), (28, 5))
    assert listed(after) == [("0.0.0.0", 9000), ("::", 9000)]
    assert listed(changes.without_endpoint(after, DUAL.id, web.id, (28, 5))) == listed(before)


def test_each_exit_has_its_own_default_address_of_the_host():
    before, web = run(ON_LOOPBACK)
    assert listed(before) == [("127.0.0.1", 9000)]
    after = changes.with_endpoint(before, ONLY6.id, web.id, EndpointSpec(), (28, 5))
    assert listed(after) == [("127.0.0.1", 9000), ("::", 9000)]
