# SPDX-License-Identifier: Apache-2.0
"""The states of many shots, held by any engine."""
