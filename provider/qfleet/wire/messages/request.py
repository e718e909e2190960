# SPDX-License-Identifier: Apache-2.0
"""Requests: what comes back of a circuit, and in what precision."""

from __future__ import annotations

from typing import Final, Literal

#: What comes back of a circuit: counts; counts and the final state; the unitary of the whole circuit; each shot's bits;
#: or the means of observables, which its program saves at its end.
Output = Literal["counts", "statevector", "unitary", "bits", "means"]
Precision = Literal["double", "single"]
#: Those that Qiskit's primitives ask for.
PRIMITIVE_OUTPUTS: Final = frozenset({"bits", "means"})
