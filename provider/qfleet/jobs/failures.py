# SPDX-License-Identifier: Apache-2.0
"""The text about the failures of a job."""

from __future__ import annotations

from typing import Final

from qfleet.errors import QuotaError
from qfleet.ledger import Snapshot

#: The number of circuits or PUBs that the text of an error names.
_NAMED: Final = 3
#: The number of characters of two errors that are compared.
_COMPARED: Final = 200


def failure_text(failures: dict[int, str], units: str, last: str) -> str:
    """Return the text about failures and, if it differs, the last attempt's.

    Args:
        failures: the name and the reason for each circuit or PUB that failed, by index.
        units: the word for the parts of a result: circuits or PUBs.
        last: the job's error; empty if it has none.
    """
    texts = list(failures.values())
    more = len(texts) - _NAMED
    text = "; ".join(texts[:_NAMED]) + (f"; and {more} more {units}" if more > 0 else "")
    reason = last.partition(": ")[2] or last
    # Results and errors of an earlier attempt stay until their task has a result again.
    if text and last and not any(reason[:_COMPARED] in each for each in texts):
        return f"{text}; the last attempt: {last}"
    return text or last


def quota_error(job_id: str, snapshot: Snapshot) -> QuotaError:
    """Return the error of a job that exceeds a quota.

    Args:
        job_id: the job.
        snapshot: its state.
    """
    quota, *numbers = snapshot.refused.split()
    figure, limit = (int(number) if number.isdigit() else None for number in [*numbers, "", ""][:2])
    text = f"job {job_id} was refused: {snapshot.error}"
    return QuotaError(text, job_id=job_id, tenant=snapshot.tenant, quota=quota, figure=figure, limit=limit)
