"""The task that examines this machine."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP

LACKING = 3


@command(options={"Options": {"json": JSON_HELP}})
def doctor(_: Context, json: bool = False) -> None:
    """Say what this machine has and lacks, how to get it, and what it can do.

    Example: invoke doctor
    """
    from edge_bert.cli.console import print_json
    from edge_bert.devices.host_abilities import list_abilities
    from edge_bert.doctor import examine_machine
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.tables import print_findings

    findings, abilities = examine_machine(), list_abilities()
    if json:
        print_json((*findings, *abilities))
    else:
        console = PlainConsole()
        print_findings(console, findings)
        print_findings(console, abilities, "what it can do")
    if any(finding.required and finding.status != "ok" for finding in findings):
        raise SystemExit(LACKING)
