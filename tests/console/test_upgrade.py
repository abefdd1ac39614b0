"""The console's question what another version of Docker would change on this host."""

from tests.support.api import run
from tests.support.neighbour import LINK, neighbour_of

HTTPD = ("httpd", "-f", "-p", "8080")


def test_a_port_that_closes_for_a_neighbour_is_shown_with_the_notes(console, engine, api):
    with neighbour_of(engine):
        run(api, "web", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 18081}])
        page = console.open("viewer")
        console.tab("Diagnosis")
        page.get_by_label("Version").fill("29.7")
        page.get_by_label("Firewall backend").select_option("nftables")
        console.button("What would it change?").click()
        answer = page.get_by_role("region", name="What will change")
        answer.get_by_text("Docker 29.7 with nftables, answered as Docker 29.7.").wait_for()
        answer.get_by_text(f"from lan {LINK}").first.wait_for()
        answer.get_by_text("Docker does not switch forwarding on").wait_for()
        console.accessible()


def test_a_version_that_does_not_exist_is_refused_with_the_sentence_that_helps(console):
    console.refusals_expected = True
    page = console.open("viewer")
    console.tab("Diagnosis")
    page.get_by_label("Version").fill("28.9")
    console.button("What would it change?").click()
    page.get_by_text("Docker 28.9 does not exist.").first.wait_for()
