# SPDX-License-Identifier: Apache-2.0
"""The reason why a job waits for a worker names more memory only where a machine may have it."""

from __future__ import annotations

import pytest

from qfleet_worker.unplaceable import Capacity, _Need


@pytest.mark.parametrize(("gib", "way"), [(64, "start a worker with more memory"), (49_152, "no machine has enough")])
def test_the_reason_of_a_job_that_no_worker_can_hold(gib: int, way: str) -> None:
    need = _Need(gib * 2**30, 4 * gib * 2**30, 41)
    workers = [Capacity(2**30, "numpy"), Capacity(2**33, "statevector")]
    assert not need.fits(workers)
    assert need.reason(workers) == (
        f"its 41 qubits need {gib}.00 GiB of memory, and the largest worker has 8.00 GiB; {way}"
    )
