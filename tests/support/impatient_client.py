# SPDX-License-Identifier: Apache-2.0
"""A separate process that is cut off while it calls.

It prints its job's id, and then the error of each call, as JSON.
"""

from __future__ import annotations

import json
import sys

from circuits import ENDLESS_SHOTS, bell, endless

from qfleet import FleetProvider
from qfleet.errors import QfleetError


def main(url: str) -> None:
    """Wait with a timeout, ask and submit."""
    with FleetProvider(url) as provider:
        backend = provider.get_backend("automatic")
        job = backend.run(endless(), shots=ENDLESS_SHOTS)
        job.status()
        print(json.dumps(job.job_id()), flush=True)
        for call in (lambda: job.result(timeout=5), job.status, lambda: backend.run(bell())):
            try:
                call()
            except QfleetError as exc:
                print(json.dumps(type(exc).__name__), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
