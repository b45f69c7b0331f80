"""Ours and Debian's Go plugins by the same name, side by side on generated configurations and sequences of calls.

Compared after every call: success, result, error text, and what the kernel and the disk have.  The seeds are fixed;
each case is printed when it fails.  What may differ, and why, is the table DIFFERENCES and nothing else.
"""

from __future__ import annotations

import random

import pytest

from cni_ptp import CHAINED_ROLES
from tests.chained.calls import as_role, attached
from tests.chained.generated import GENERATORS, Case, Outcome, Subject
from tests.namespaces import REFERENCE, Host

CHUNKS, CASES = 6, 30  # 540 cases of three plugins

# name: (what Go does, what we do, why)
DIFFERENCES = {
    "words": ("errors are code 999 and encoding/json's or the kernel's words", "a code, ours", "docs/architecture.md"),
    "old shape": ("loopback: the shape of 1.0.0 in every version", "that of the version", "SPEC"),
    "queue": ("bandwidth: all of a burst may wait", "a quarter of a second of it", "kubernetes#90838"),
    "packet": ("bandwidth: a burst below a packet drops each larger one", "raised to one", "docs/bandwidth.md"),
    "second ADD": ("bandwidth: file exists", "succeeds", "a chain may limit twice"),
    "crash": ("bandwidth: a segmentation fault without limits and prevResult; tuning: one with args.cni.sysctl alone",
              "code 7; the sysctls are set", "a bug"),
    "DEL of nonsense": ("DEL fails on a configuration that it does not need", "DEL succeeds", "nothing must be stuck"),
    "wrapped": ("bandwidth: values above 64 bits are wrong types", "code 7", "as any other that cannot be used"),
    "blind CHECK": ("bandwidth: CHECK passes where no limit was ever made", "code 105", "SPEC CHECK"),
    "nothing to check": ("bandwidth: CHECK without limits wants a pair", "succeeds", "there is nothing to compare"),
    "CHECK of little": ("bandwidth: CHECK crashes without limits", "succeeds", "a bug"),
    "MAC": ("tuning: the result has the MAC as it was written", "as the kernel has it", "SPEC"),
    "lenient CHECK": ("tuning: promiscuous mode of others, upper case, spaces", "no difference", "docs/tuning.md"),
    "IFNAME": ("tuning: CHECK does not put the name for IFNAME", "does", "a bug"),
    "long MAC": ("tuning: of a MAC of 8 bytes the kernel takes 6", "refused, code 7", "nobody meant that"),
    "left qdiscs": ("bandwidth: DEL leaves the qdiscs of the host end", "removes them", "docs/bandwidth.md"),
    "other namespace": ("DEL fails where the namespace is no namespace", "DEL succeeds", "idempotent"),
}  # fmt: skip


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("role", [role for role in CHAINED_ROLES if role in GENERATORS])
def test_every_call_has_the_outcome_of_the_go_plugins(host: Host, role: str, chunk: int) -> None:
    container = host.container()
    subject = Subject(host, container, attached(host, families=("v4",)))
    rng = random.Random(f"{role} {chunk}")
    for _ in range(CASES):
        case = GENERATORS[role](rng, subject)
        theirs = played(subject, case, f"{REFERENCE}/{role}")
        ours = played(subject, case, str(as_role(host, role)))
        for i, (step, go, mine) in enumerate(zip(case.steps, theirs, ours)):
            if go != mine:
                why = case.difference(i, go, mine)
                assert why in DIFFERENCES, f"{why}: {case}\n{step}\n{go}\n{mine}"
            if go.ok != mine.ok or go.state != mine.state:
                break  # what follows is of another state


def played(subject: Subject, case: Case, exe: str) -> list[Outcome]:
    """The outcomes of a case's calls of a plugin, from the state that it wants."""
    subject.reset()
    case.prepare(subject)
    before = subject.state()
    found: list[Outcome] = []
    previous = None
    for step in case.steps:
        outcome = subject.outcome(exe, step, case, previous)
        if not outcome.ok and exe.startswith("/run") and step == "ADD" and not found:
            assert outcome.state == before, ("a failed ADD changed something", case, outcome)
        if step == "ADD" and outcome.ok:
            previous = outcome.raw
        found.append(outcome)
    return found
