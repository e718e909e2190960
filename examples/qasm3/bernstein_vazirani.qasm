// Bernstein-Vazirani: one query finds the hidden string 1101. Always reads 1101.
OPENQASM 3.0;
include "stdgates.inc";

qubit[4] query;
qubit answer;
bit[4] c;

x answer;
h query;
h answer;

// the oracle: answer ^= s.query with s = 1101, the lowest bit last
cx query[0], answer;
cx query[2], answer;
cx query[3], answer;

h query;
c = measure query;
