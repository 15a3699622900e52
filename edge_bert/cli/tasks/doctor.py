"""The task that examines this machine."""

from __future__ import annotations

from invoke.context import Context

from edge_bert.cli.command import command
from edge_bert.cli.options import JSON_HELP

LACKING = 3


@command(options={"Options": {"json": JSON_HELP}})
def doctor(_: Context, json: bool = False) -> None:
    """Say what this machine has and lacks, and how to get it.

    Example: invoke doctor
    """
    from edge_bert.cli.console import print_json
    from edge_bert.doctor import examine_machine
    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.tables import print_findings

    findings = examine_machine()
    if json:
        print_json(findings)
    else:
        print_findings(PlainConsole(), findings)
    if any(finding.required and finding.status != "ok" for finding in findings):
        raise SystemExit(LACKING)
