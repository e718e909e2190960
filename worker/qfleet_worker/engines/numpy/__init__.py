# SPDX-License-Identifier: Apache-2.0
"""The statevector engine that needs numpy alone."""
