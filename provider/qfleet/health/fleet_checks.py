# SPDX-License-Identifier: Apache-2.0
"""Checks of the workers, the queue and the jobs."""

from __future__ import annotations

from qfleet.health.finding import Finding, first_names, no_names
from qfleet.ledger.facts import Facts
from qfleet.wire.messages.presence import SLOWER_ENGINE


def check_workers(facts: Facts) -> Finding:
    """Check that a worker is up and takes tasks."""
    number = len(facts.workers)
    if not number:
        return Finding("workers", "problem", "none is up: jobs wait", "start one: qfleet worker --url URL")
    names = tuple(worker.name for worker in facts.workers if worker.draining)
    slots = sum(worker.concurrency for worker in facts.workers if not worker.draining)
    text = f"{number} up, for {slots} tasks at a time" + (f"; draining: {first_names(names)}" if names else "")
    if len(names) == number:
        return Finding("workers", "problem", text, "start another, or qfleet drain NAME --undo", names)
    return Finding("workers", "ok", text, names=names)


def check_versions(facts: Facts) -> Finding:
    """Check that the workers have the client's version of qfleet."""
    here = facts.client_version
    others = [worker for worker in facts.workers if worker.version != here]
    if not others:
        return Finding("versions", "ok", f"qfleet {here} here and on every worker")
    names = tuple(worker.name for worker in others)
    theirs = ", ".join(sorted({worker.version for worker in others}))
    return Finding(
        "versions",
        "problem",
        f"qfleet {here} here, and {theirs} on {first_names(names)}",
        f"pip install qfleet=={here} on the workers, or their version here",
        names,
    )


def check_engines(facts: Facts) -> Finding:
    """Check that the workers use the faster engine."""
    check = "engine"
    slow = [worker for worker in facts.workers if worker.engine == SLOWER_ENGINE]
    if not slow:
        return Finding(check, "ok", "all workers use the faster one")
    names = tuple(worker.name for worker in slow)
    reasons = "; ".join(sorted({worker.engine_reason for worker in slow}))
    text = f"{SLOWER_ENGINE}, the slower one, on {first_names(names)}: {reasons}"
    if all(worker.compiling for worker in slow):
        return Finding(check, "ok", text, names=names)
    return Finding(check, "problem", text, "run `qfleet warm` once on each of their machines", names)


def check_silent_workers(facts: Facts) -> Finding:
    """Check that no worker disappeared without signing off."""
    return no_names(
        "silent workers",
        facts.silent_workers,
        text=" disappeared without signing off: killed, hung, or cut off from Redis",
        remedy="look at that machine; the record of a worker that is gone for good is removed after a day",
    )


def check_worker_records(facts: Facts) -> Finding:
    """Check that the records of all workers can be read."""
    return no_names(
        "workers' records",
        facts.damaged_workers,
        ok="all can be read",
        text=": the record wasn't written by a worker of this version",
        remedy='redis-cli HDEL qfleet:workers "NAME" for each',
    )


def check_queue(facts: Facts) -> Finding:
    """Check that every waiting task has a token, or a message."""
    # A worker may have taken some that it has not reported yet.
    accounted = facts.tokens + sum(len(worker.holds) + worker.concurrency for worker in facts.workers)
    text = f"{facts.tokens} tokens for {facts.waiting_shards} waiting tasks"
    if facts.waiting_shards <= accounted:
        return Finding("queue", "ok", text)
    remedy = "none if a worker is up: it pushes the missing ones within a minute. Otherwise start one"
    return Finding("queue", "problem", f"{text}: some were lost", remedy)


def check_unplaceable_jobs(facts: Facts) -> Finding:
    """Check that each waiting job fits the memory of a worker."""
    jobs = facts.unplaceable_jobs
    reason = next(iter(jobs.values()), "")
    return no_names(
        "large jobs",
        tuple(jobs),
        ok="each waiting job fits a worker",
        text=f" {'waits' if len(jobs) == 1 else 'wait'}: {reason}",
        remedy="start a worker with enough memory, or for each: qfleet cancel ID",
    )


def check_active_jobs(facts: Facts) -> Finding:
    """Check that every job in the lists of active jobs exists."""
    return no_names(
        "active jobs",
        facts.gone_jobs,
        ok="all of them exist",
        text=" listed as active, but missing: deleted while running, or evicted",
        remedy="none if a worker is up: it removes them. Otherwise: redis-cli ZREM qfleet:unfinished ID and ZREM "
        "qfleet:active ID",
    )


def check_damaged_jobs(facts: Facts) -> Finding:
    """Check that the data of all jobs can be read."""
    return no_names(
        "damaged jobs",
        facts.damaged_jobs,
        text=" can't be read: another program wrote to this Redis",
        remedy='for each: redis-cli ZREM qfleet:unfinished "ID", ZREM qfleet:active "ID", ZREM qfleet:jobs "ID", '
        'UNLINK "qfleet:job:ID"',
    )


def check_fleet_keys(facts: Facts) -> Finding:
    """Check that the keys of the whole fleet have the right types."""
    if not facts.damaged_keys:
        return Finding("fleet's keys", "ok", "all have the right type")
    return Finding(
        "fleet's keys",
        "problem",
        f"{', '.join(facts.damaged_keys)}: the key holds another type, which qfleet didn't write",
        "find out which program writes to it, then: redis-cli UNLINK KEY. qfleet makes the key again; lists may lack "
        "older jobs",
        facts.damaged_keys,
    )


def check_orphan_keys(facts: Facts) -> Finding:
    """Check that there are no keys of jobs that don't exist."""
    return no_names(
        "orphan keys",
        facts.orphan_keys,
        text=" of jobs that don't exist",
        remedy="redis-cli UNLINK KEY for each; --json lists all of them",
    )
