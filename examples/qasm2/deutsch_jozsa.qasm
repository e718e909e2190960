// Deutsch-Jozsa with f(x) = x0 xor x1 xor x3, which is balanced: the input register never reads 0000; here always 1011.
OPENQASM 2.0;
include "qelib1.inc";

gate oracle x0, x1, x2, x3, y {
  cx x0, y;
  cx x1, y;
  cx x3, y;
}

qreg query[4];
qreg answer[1];
creg c[4];

x answer[0];
h query;
h answer[0];
oracle query[0], query[1], query[2], query[3], answer[0];
h query;
measure query -> c;
