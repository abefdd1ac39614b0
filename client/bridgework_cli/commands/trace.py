"""``bridgework trace``: the way of one packet and of its answer, as the kernel showed it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output, targets
from bridgework_cli.commands.check import asks, exit_code
from bridgework_cli.connection import connected
from bridgework_cli.running import REACHABLE

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import CheckRequest, CheckResult, Trace, TraceStep


@click.command("trace")
@connected
@asks
@output.output_option("table", "json", "yaml", "pcapng")
def command_trace(client: Client, body: CheckRequest, output: str) -> int:
    """Follow a packet from SOURCE to DESTINATION, and its answer: each interface and each firewall rule.

    SOURCE and DESTINATION are those of `bridgework check`. The first column is `+` where the packet was seen as
    predicted, `?` where it was seen and not predicted, and `-` where it was predicted and not seen. `-o pcapng` writes
    a capture for Wireshark. A trace needs the role operator.
    """
    body["trace"] = True
    if output == "pcapng":
        if sys.stdout.isatty():
            raise click.UsageError("A capture is no text: send it to a file, as in `> trace.pcapng`.")
        sys.stdout.buffer.write(client.check_connectivity_file("application/x-pcapng", body))
        return REACHABLE
    result = client.check_connectivity(body)
    show(result, body, output)
    return exit_code(result)


def show(result: CheckResult, body: CheckRequest, form: str) -> None:
    """Print the trace in one of the forms."""
    if form != "table":
        output.document(result, form)
        return
    output.line(f"{output.verdict(result['verdict'])}  {targets.described(body)}")
    for one in result["findings"]:
        output.finding(one)
    output.limitations(result["limited"])
    trace = result["trace"]
    if trace is None:
        output.line("  No packet was sent, so there is nothing to trace.")
        return
    output.table(["", "TIME", "WHERE", "WHAT", "PACKET"], map(_row, trace["steps"]))
    _show_end(trace)


def _row(step: TraceStep) -> list[str]:
    sign = {(True, True): "+", (False, True): "?", (True, False): "-"}.get((step["predicted"], step["seen"]), " ")
    time = "" if step["time_us"] is None else f"{step['time_us']:.0f} us"
    arrow = "->" if step["direction"] == "request" else "<-"
    ends = " > ".join(_end(end) for end in (step["source"], step["destination"]) if end)
    return [sign, time, f"{arrow} {step['of']}", _what(step), f"{ends} {step['note']}".strip()]


def _what(step: TraceStep) -> str:
    if step["kind"] == "interface":
        return f"{'leaves by' if step['leaving'] else 'comes in by'} {step['interface']}"
    where = " ".join(part for part in (step["table"], step["chain"]) if part)
    verdict = output.style(step["verdict"] or "", fg="red" if step["verdict"] in {"drop", "reject"} else None)
    return " ".join(part for part in (step["kind"], where, step["rule"] or "", verdict) if part)


def _end(end: Any) -> str:
    address = f"[{end['address']}]" if ":" in end["address"] else end["address"]
    return str(end["address"]) if end["port"] is None else f"{address}:{end['port']}"


def _show_end(trace: Trace) -> None:
    if trace["lost"]:
        output.line(output.style(trace["lost"]["message"], fg="red"))
    for text in trace["missing"]:
        output.line(f"Not looked at: {text}")
