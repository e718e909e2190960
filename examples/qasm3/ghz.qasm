// Five qubits that agree: 00000 and 11111, each in half of the shots.
OPENQASM 3.0;
include "stdgates.inc";

qubit[5] q;
bit[5] c;

h q[0];
cx q[0], q[1];
cx q[1], q[2];
cx q[1], q[3];
cx q[3], q[4];
c = measure q;
