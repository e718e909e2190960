# SPDX-License-Identifier: Apache-2.0
"""From a program's rows to the tables that the kernels run."""
