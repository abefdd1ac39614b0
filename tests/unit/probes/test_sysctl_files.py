"""Which file of the host sets a sysctl, in the order of sysctl.d(5)."""

import pytest

from bridgework.probes.routes.sysctl_files import file_that_sets

OWN, ALL = "net.ipv4.conf.br-1.rp_filter", "net.ipv4.conf.all.rp_filter"


@pytest.mark.parametrize(
    ("files", "sysctl", "found"),
    [
        ({}, ALL, None),
        ({"etc/sysctl.conf": "net.ipv4.conf.all.rp_filter = 1\n"}, ALL, "/etc/sysctl.conf"),
        ({"etc/sysctl.conf": "#net.ipv4.conf.all.rp_filter=1\n"}, ALL, None),
        ({"etc/sysctl.d/a.conf": "-net/ipv4/conf/all/rp_filter=1"}, ALL, "/etc/sysctl.d/a.conf"),
        ({"etc/sysctl.d/a.conf": "net.ipv4.conf.all.rp_filter=2"}, ALL, None),
        ({"usr/lib/sysctl.d/50.conf": "net.ipv4.conf.*.rp_filter = 1"}, OWN, "/usr/lib/sysctl.d/50.conf"),
        ({"usr/lib/sysctl.d/50.conf": "net.ipv4.conf.default.rp_filter=1"}, OWN, "/usr/lib/sysctl.d/50.conf"),
        ({"usr/lib/sysctl.d/50.conf": "net.ipv4.conf.default.rp_filter=1"}, ALL, None),
        ({"usr/lib/sysctl.d/50.conf": "net.ipv4.conf.*.rp_filter=1", "etc/sysctl.d/50.conf": ""}, OWN, None),
        (
            {
                "usr/lib/sysctl.d/50.conf": "net.ipv4.conf.*.rp_filter=1",
                "etc/sysctl.d/10.conf": "net.ipv4.conf.*.rp_filter=1",
            },
            OWN,
            "/usr/lib/sysctl.d/50.conf",
        ),
    ],
)
def test_the_last_file_that_sets_the_value_is_named(tmp_path, files, sysctl, found):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert file_that_sets(tmp_path, sysctl, 1) == found
