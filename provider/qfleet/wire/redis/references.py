# SPDX-License-Identifier: Apache-2.0
"""References of jobs: ``<tenant>/<id>``.

That of a job of a client of version 0.1 is the bare id. Users see ids alone.
"""

from __future__ import annotations

import re
from typing import Final

MOST_TENANT_LETTERS: Final = 64
_TENANT: Final = re.compile(rf"[A-Za-z0-9._@-]{{1,{MOST_TENANT_LETTERS}}}", re.ASCII)


def reference(tenant: str, job_id: str) -> str:
    """Return the reference of a tenant's job."""
    return f"{tenant}/{job_id}" if tenant else job_id


def parts_of(ref: str) -> tuple[str, str]:
    """Return the tenant and the id in a job's reference."""
    tenant, _, job_id = ref.rpartition("/")
    return tenant, job_id


def id_of(ref: str) -> str:
    """Return the id in a job's reference."""
    return parts_of(ref)[1]


def is_tenant(name: str) -> bool:
    """Tell whether a tenant may have this name."""
    return _TENANT.fullmatch(name) is not None
