# SPDX-License-Identifier: Apache-2.0
"""Values that are a gate's parameter, and values that are refused."""

from fractions import Fraction

import numpy as np
import pytest
from qiskit.circuit import Parameter

from qfleet.errors import UnboundParameterError, UnsupportedCircuitError
from qfleet.lowering.parameters import real
from qfleet.lowering.refusal import RefusalError

P, Q = Parameter("p"), Parameter("q")


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        2 + 0j,
        np.float32(2),
        np.float64(2),
        np.int8(2),
        np.uint64(2),
        np.complex64(2),
        np.complex128(2),
        np.array(2.0),
        Fraction(2),
        (2 * P).bind({P: 1}),
        (P / 1j * 1j).bind({P: 2}),
        (P + Q).bind({P: 1, Q: 1}),
    ],
    ids=repr,
)
def test_real_numbers(value):
    number = real(value)
    assert type(number) is float
    assert number == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "value", [1 + 2j, np.complex64(2j), np.complex128(2j), (P * 1j).bind({P: 2}), "two", None, [1, 2]], ids=repr
)
def test_what_is_not_real(value):
    with pytest.raises(RefusalError, match="isn't a real number"):
        real(value)


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), -np.inf, complex("nan"), 10**400], ids=str)
def test_what_is_not_finite(value):
    with pytest.raises(RefusalError, match=r"isn't (finite|a real number)"):
        real(value)


@pytest.mark.parametrize(("value", "names"), [(P, "('p')"), (Q + 2 * P, "('p', 'q')"), ((P + Q).bind({P: 1}), "('q')")])
def test_what_has_no_value(value, names):
    with pytest.raises(RefusalError) as caught:
        real(value)
    error = caught.value.error("c")
    assert isinstance(error, UnboundParameterError)
    assert not isinstance(error, UnsupportedCircuitError)
    assert names in error.message
