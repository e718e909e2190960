# SPDX-License-Identifier: Apache-2.0
"""The jobs that users hold: status, waiting and results.

Not public, except the classes that `qfleet` exports.
"""
