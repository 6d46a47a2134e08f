# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""secyd at one end and the kernel's MACsec at the other: the frames of each are the other's, in Debian's kernel."""

import pytest
from conftest import BUILD
from test_kernel_secy import Bed

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def guest(boot):
    for name in ("mkaport", "secyd"):
        if not (BUILD / name).exists():
            pytest.fail(f"{BUILD / name} is not built (swift build --product {name})")
    with boot(add=[f"{BUILD / 'mkaport'}:/root/mkaport", f"{BUILD / 'secyd'}:/root/secyd"]) as guest:
        yield guest


@pytest.fixture
def bed(guest):
    bed = Bed(guest)
    yield bed
    bed.close()
    guest.run("for lock in /run/secyd/*/lock; do kill -9 $(cat $lock); done; rm -rf /run/secyd", check=False)


def start(bed, userspace="b", **settings):
    """Both ends; `a` is the key server."""
    for side, priority in (("a", 16), ("b", 32)):
        more = {"secy": "userspace", "secyd": "/root/secyd", "directory": "/run/secyd"} if side == userspace else {}
        bed.port(side, **{"priority": priority, **settings, **more})
    bed.secured()
    bed.address()


@pytest.mark.parametrize(
    "userspace,settings",
    [
        ("a", {"suite": "GCM-AES-128"}), ("b", {"suite": "GCM-AES-256", "window": 0}),
        ("a", {"suite": "GCM-AES-XPN-128"}), ("b", {"suite": "GCM-AES-XPN-256"}),
        ("b", {"suite": "GCM-AES-128", "offset": "none"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())))
def test_they_understand_each_other(bed, userspace, settings):
    start(bed, userspace, **settings)
    kernel = "b" if userspace == "a" else "a"
    assert bed.ping() == 1
    # A packet that does not fit a frame goes as two.
    said = bed.run("ip netns exec a ping -q -c 5 -i 0.1 -W 2 -s 4000 10.0.0.2", limit=60, check=False)
    assert "5 packets received" in said, said
    assert bed.counter(kernel, "InPktsOK") >= 30
    assert bed.counter(kernel, "InPktsNotValid") == 0 and bed.counter(kernel, "InPktsLate") == 0
    encrypted = settings.get("offset") != "none"
    assert bed.counter(kernel, "OutPktsEncrypted" if encrypted else "OutPktsProtected") >= 30
    assert not bed.errors()


def test_rekeys_lose_nothing(bed):
    start(bed, suite="GCM-AES-XPN-256", rekey=2)
    bed.pinging(100, 0.1)
    sent, received = bed.answers()
    assert sent == received == "100"
    assert bed.count("a", command="enable_txsa") >= 3
    assert not bed.errors()


def test_tcp_in_pieces(bed):
    """secyd cuts what its host hands over; the kernel at the other end takes every segment."""
    start(bed, userspace="a", suite="GCM-AES-128")
    bed.run("head -c 600000 /dev/urandom >/tmp/data")
    # Both programs read until long after the data are there, and would stop at the end of their input.
    bed.run("(sleep 60 | ip netns exec b nc -l -p 5000 >/tmp/copy) </dev/null >/dev/null 2>&1 & sleep 1")
    bed.run("((cat /tmp/data; sleep 60) | ip netns exec a nc 10.0.0.2 5000) </dev/null >/dev/null 2>&1 &")
    same = "cmp -s /tmp/data /tmp/copy && echo same || true"
    bed.wait("the whole of the data", lambda: "same" in bed.run(same), limit=50)
    assert bed.counter("b", "InPktsNotValid") == 0
