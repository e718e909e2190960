# SPDX-License-Identifier: Apache-2.0
"""The machine's memory and cores, as far as a worker may use them."""
