# SPDX-License-Identifier: Apache-2.0
"""Outcomes and saved values, collected over the shots."""
