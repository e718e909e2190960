// Superdense coding: two classical bits, 1 and 0, travel in one qubit of a shared Bell pair. Always reads 10.
OPENQASM 2.0;
include "qelib1.inc";

qreg alice[1];
qreg bob[1];
creg message[2];

// the pair
h alice[0];
cx alice[0], bob[0];
barrier alice, bob;

// Alice writes: Z for the first bit; X for the second, which is 0
z alice[0];
barrier alice, bob;

// Bob reads both
cx alice[0], bob[0];
h alice[0];
measure alice[0] -> message[1];
measure bob[0] -> message[0];
