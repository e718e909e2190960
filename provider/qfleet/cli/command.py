# SPDX-License-Identifier: Apache-2.0
"""The command `qfleet` with its subcommands."""

from __future__ import annotations

import click

from qfleet.cli.acl import acl
from qfleet.cli.doctor import doctor
from qfleet.cli.explain import explain
from qfleet.cli.fleet import up, version, warm, worker
from qfleet.cli.group import FleetGroup
from qfleet.cli.jobs import cancel, jobs, result, retry, status
from qfleet.cli.pauses import pause, resume
from qfleet.cli.run import run
from qfleet.cli.tenants import tenant
from qfleet.cli.workers import drain, workers

__all__ = ["qfleet"]


@click.group(cls=FleetGroup, context_settings={"help_option_names": ["-h", "--help"]})
def qfleet() -> None:
    """Run Qiskit circuits on a fleet of simulator workers.

    \b
    Example:
      qfleet run bell.qasm                      # starts two local workers for this job only
      qfleet up                                 # starts a local fleet that stays up, and prints its url
      export QFLEET_URL=redis+socket://...      # in another terminal: that url
      qfleet run bell.qasm --shots 4096
      qfleet jobs

    \b
    Exit codes:
      0    done
      1    failed
      2    the command line is wrong: a wrong option or value, or a file that doesn't exist
      130  interrupted, with Ctrl-C or by SIGTERM
      141  the reader of the output has closed it, as in qfleet jobs | head -1
    """


_FOR_FLEETS = (up, worker, warm, workers, drain, tenant, acl, doctor, version)
_FOR_JOBS = (run, explain, jobs, status, result, retry, pause, resume, cancel)
for _command in (*_FOR_FLEETS, *_FOR_JOBS):
    qfleet.add_command(_command)
