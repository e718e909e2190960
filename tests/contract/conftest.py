# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the contract's tests."""

from __future__ import annotations

import pytest
from engines import METHODS

from qfleet_worker.engines.contract import Simulator


@pytest.fixture(params=METHODS)
def engine(request: pytest.FixtureRequest) -> Simulator:
    return METHODS[request.param]()
