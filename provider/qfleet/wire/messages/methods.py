# SPDX-License-Identifier: Apache-2.0
"""The methods that can run a program, by the table `qfleet.wire.messages.request.METHODS`."""

from __future__ import annotations

from typing import Final

from qfleet.wire.messages.request import METHODS, Method, MethodSpec, Output, Request
from qfleet.wire.program.clifford_programs import clifford_refusal
from qfleet.wire.program.operations import Op, flags_by_code
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity

#: Saves that are named by their quantity.
_SAVED: Final = {Quantity.MATRIX: "its unitary", Quantity.SUPEROP: "its superoperator"}
#: What a circuit sets that has the operation.
_SET: Final = {Op.SET_DENSITY_MATRIX: "a density matrix", Op.SET_SUPEROP: "a superoperator"}
_IS_SET: Final = flags_by_code(lambda spec: spec.op in _SET)


class MethodError(ValueError):
    """A circuit doesn't have the method that is asked for.

    The text follows a circuit's name.
    """


def resolve_method(program: Program, request: Request) -> tuple[Method, str]:
    """Return the method that simulates a program, and the reason.

    Raises:
        MethodError: the method that is asked for can't give the output or the saved data, or no method can.
    """
    if (request.method == "superop" or program.sets_superop()) and not program.saves_superop():
        raise MethodError("saves no superoperator, which method='superop' is for; add `save_superop()`")
    if request.method == "automatic":
        return _method_of(program, request.output)
    spec = METHODS[request.method]
    lack = lack_of(program, request.output, spec)
    if lack:
        raise MethodError(f"{lack}, which method={request.method!r} doesn't have; leave the method out")
    refusal = clifford_refusal(program) if spec.is_clifford else ""
    if refusal:
        raise MethodError(
            f"can't be run by method={request.method!r}: {refusal}; leave the method out, or take Clifford gates and "
            "Pauli noise alone"
        )
    return request.method, f"method={request.method!r} was asked for"


def _method_of(program: Program, output: Output) -> tuple[Method, str]:
    """Return the first method that has all of a program.

    The second text is the reason. That its gates are Clifford gates isn't asked for.
    """
    first, *others = METHODS.values()
    lack = lack_of(program, output, first)
    if not lack:
        return first.method, "automatic: a statevector has all that the circuit saves and gives"
    for spec in others:
        if not lack_of(program, output, spec):
            return spec.method, f"automatic: the circuit {lack}"
    also = next(
        (each for each in (lack_of(program, output, spec) for spec in others) if each != lack), "needs something else"
    )
    raise MethodError(f"{lack}, and {also}, and no method has both; leave one of the two out")


def lack_of(program: Program, output: Output, spec: MethodSpec) -> str:
    """Return a part of a circuit that a method doesn't have.

    The text follows a circuit's name, and is empty if the method has all. That the gates of some methods are Clifford
    gates isn't looked at.
    """
    if _IS_SET[program.codes].any():
        others = {Op(code) for code in program.codes[_IS_SET[program.codes]].tolist()} - spec.sets
        if others:
            return f"sets {_SET[min(others)]}"
    for save in program.saves:
        if save.spec.quantity not in spec.quantities:
            named = _SAVED.get(save.spec.quantity)
            return f"saves {named}" if named else f"has {save.spec.instruction} ({save.label!r})"
    if output not in spec.outputs or (
        spec.purpose is not None
        and output != Output.UNITARY
        and all(save.spec.quantity is not spec.purpose for save in program.saves)
    ):
        return f"gives its {output}"
    widest = max([channel.num_targets for channel in program.channels], default=0)
    return f"has noise on {widest} qubits together" if widest > spec.widest_noise else ""
