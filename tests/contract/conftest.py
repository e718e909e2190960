# SPDX-License-Identifier: Apache-2.0
"""What the tests of the contract share."""

from __future__ import annotations

import pytest
from engines import ENGINES

from qfleet_worker.engines.contract import Engine


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]()
