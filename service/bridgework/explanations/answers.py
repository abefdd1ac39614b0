"""Causes that concern the answer itself: what was not seen, and what differs from the prediction."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

ANALYSIS_LIMITED = Explanation(
    "analysis-limited",
    INFO,
    "The service could not inspect something that affects the answer.",
    "An observation is missing: namespace, sockets, host interfaces, firewall or sysctl.",
    "Give the service the access that it needs: the host's pid namespace and CAP_SYS_ADMIN, or the helper image.",
    "The listening sockets of tomcat82 were not visible, so whether port 8080 is open is not predicted.",
    seen="A check is inconclusive, or a diagnosis lists something that was not visible.",
    symptoms=("answer-is-uncertain",),
    references=("https://man7.org/linux/man-pages/man7/network_namespaces.7.html",),
    undecided=True,
)
PREDICTION_INCONSISTENT = Explanation(
    "prediction-inconsistent",
    WARNING,
    "The prediction and the measurement differ: something affected the packet that the engine's state does not show.",
    "The verdicts of the prediction and of the measurement differ, and neither is inconclusive.",
    "Trust the measurement. A trace says where the packet was last seen: where you may trace, the check makes one.",
    "Predicted reachable, measured timed-out. A rule of filter INPUT of tomcat82 drops the packet: with the handle 4.",
    seen="A check says that the measurement differs from what the settings of the engine let expect.",
    symptoms=(
        "answer-is-uncertain",
        "works-sometimes",
    ),
    references=("https://github.com/portainer/portainer/issues/8923",),
)
ICMP_BLOCKED_TCP_OK = Explanation(
    "icmp-blocked-tcp-ok",
    INFO,
    "The TCP port answers, but pings do not: something drops only ICMP.",
    "A ping failed, and a connection to the same address succeeded.",
    "Treat the destination as reachable, and check it with tcp.",
    "172.20.0.3 answers tcp, but does not answer pings.",
    seen="`ping` shows 100% packet loss, although the program answers.",
    symptoms=("ping-differs-from-tcp",),
    references=("https://docs.kernel.org/networking/ip-sysctl.html",),
)
ECHO_IGNORED = Explanation(
    "echo-ignored",
    BLOCKING,
    "The kernel in the namespace of the destination answers no pings. Connections are not affected.",
    "The sysctl net.ipv4.icmp_echo_ignore_all inside the container.",
    "Check with tcp, or restart the container without the sysctl.",
    "tomcat82 answers no pings: net.ipv4.icmp_echo_ignore_all is 1.",
    seen="`ping` shows 100% packet loss, although the program answers.",
    symptoms=("ping-differs-from-tcp",),
    references=("https://docs.kernel.org/networking/ip-sysctl.html",),
)
