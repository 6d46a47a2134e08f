# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The kernel's MACsec, programmed over netlink by MKA engines: two of ours, and ours with a stock wpa_supplicant.

All in one guest with Debian's kernel; each test has two network namespaces, `a` and `b`, with a pair of links. What the
kernel holds is read with `ip`, not with our own code.
"""

import json
import re
import shutil
import struct
import time

import pytest
from conftest import BUILD

ADDRESS = {"a": "020000000a01", "b": "020000000b01"}
CKN = "6162630a"
CAK = {128: "0123456789abcdef0123456789abcdef", 256: "0123456789abcdef" * 4}
MKA, MACSEC = 0x888E, 0x88E5


@pytest.fixture(scope="module")
def guest(boot):
    program = BUILD / "mkaport"
    if not program.exists():
        pytest.fail(f"{program} is not built (swift build --product mkaport)")
    add = [f"{program}:/root/mkaport"]
    add.append(f"{shutil.which('setpriv', path='/usr/bin:/bin')}:/usr/bin/setpriv")
    supplicant = shutil.which("wpa_supplicant", path="/usr/sbin:/sbin")
    if supplicant:
        add.append(f"{supplicant}:/root/wpa_supplicant")
    with boot(add=add) as guest:
        guest.has_supplicant = bool(supplicant)
        guest.run("echo 'port:x:1000:1000:port:/:/bin/sh' >>/etc/passwd; chmod 755 /root /root/mkaport; chmod 1777 /tmp")
        yield guest


class Bed:
    """The namespaces, and what runs in them."""

    def __init__(self, guest):
        self.guest = guest
        self.processes = {}
        self.run = guest.run
        self.run("ip netns add a; ip netns add b; ip link add va netns a type veth peer name vb netns b; rm -f /tmp/*")
        for side, address in ADDRESS.items():
            mac = ":".join(address[i:i + 2] for i in range(0, 12, 2))
            self.run(f"ip -n {side} link set v{side} address {mac}; ip -n {side} link set v{side} up")

    def start(self, side, command):
        """Starts a command in the background; its output goes to a file."""
        self.run(f"cd /tmp; ip netns exec {side} {command} >>/tmp/{side}.log 2>&1 & echo $! >/tmp/{side}.pid")
        self.processes[side] = self.run(f"cat /tmp/{side}.pid").strip()

    def port(self, side, bits=256, prefix="", **more):
        options = dict(
            interface=f"v{side}", address=ADDRESS[side], ckn=CKN, cak=CAK[bits], secy="kernel", seconds=300)
        options.update(more)
        self.start(side, f"{prefix} /root/mkaport " + " ".join(f"{name}={value}" for name, value in options.items()))

    def killed_and_back(self, side, limit=30, **options):
        """Kills our port and starts it again a second later, with pings on the way: the pings sent and answered, if it
        was surely back within the life time of MKA. A busy machine with an emulated processor may fail to do that, and then
        nothing can be said; that our port says how long it was not heard tells slowness from a defect."""
        lines = len(self.lines(side))
        self.run("rm -f /tmp/ping.*")
        self.pinging(300, 0.02)
        killed = self.processes.pop(side)
        self.run(f"sleep 0.5; kill -9 {killed}; sleep 1")
        self.port(side, **options)
        self.wait("end of starting", lambda: any(
            "resumed" in line or line.get("event") == "SESSION_START" for line in self.lines(side)[lines:]), limit)
        answers = self.answers()
        back = next((line for line in self.lines(side)[lines:] if "away" in line), None)
        assert back, "it found the data plane and nothing of its session"
        away = float(back["away"]) / 1000
        assert "resumed" in back or away >= 6, f"after {away} s it could have gone on: {back}"
        # The peer may have given it up within the last hello time.
        if away < 4:
            return answers
        self.wait("answers", lambda: self.ping(3) == 1, 60)
        return None

    def kill(self, side, signal="KILL"):
        process = self.processes.pop(side, None)
        if process:
            self.run(f"kill -{signal} {process}; while kill -0 {process} 2>/dev/null; do sleep 0.1; done", check=False)

    def lines(self, side):
        """What our port wrote."""
        found = []
        for line in self.run(f"cat /tmp/{side}.log").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return found

    def wait(self, what, condition, limit=30):
        deadline = time.monotonic() + limit
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                logs = self.run("tail -n 40 /tmp/*.log; ip -n a macsec show; ip -n b macsec show", check=False)
                pytest.fail(f"no {what} within {limit} s:\n{logs}")
            time.sleep(0.2)

    def count(self, side, **fields):
        return sum(1 for line in self.lines(side) if fields.items() <= line.items())

    def secured(self, *sides, times=1):
        for side in sides or ("a", "b"):
            self.wait(f"secured session at {side}", lambda: self.count(side, command="port", status="protected") >= times)

    def address(self):
        for side, last in (("a", 1), ("b", 2)):
            self.run(f"ip -n {side} addr replace 10.0.0.{last}/24 dev ms-v{side}")

    def ping(self, count=20, interval=0.05, target="10.0.0.2", side="a"):
        """The share of pings that were answered, from 0 to 1."""
        said = self.run(f"ip netns exec {side} ping -q -c {count} -i {interval} -W 2 {target}", limit=120, check=False)
        sent, received = re.search(r"(\d+) packets transmitted, (\d+) packets received", said).groups()
        assert int(sent) == count, said
        return int(received) / count

    def pinging(self, count, interval):
        """Starts pings from a to b; to be waited for by `answers`."""
        command = f"ip netns exec a ping -q -c {count} -i {interval} -W 2 10.0.0.2"
        self.run(f"( {command} >/tmp/ping.out 2>&1; touch /tmp/ping.done ) </dev/null >/dev/null 2>&1 &")

    def answers(self, limit=60):
        self.wait("end of the pings", lambda: "yes" in self.run("test -e /tmp/ping.done && echo yes || true"), limit)
        return re.search(r"(\d+) packets transmitted, (\d+) packets received", self.run("cat /tmp/ping.out")).groups()

    def macsec(self, side, device=None):
        return self.run(f"ip -n {side} -s macsec show {device or f'ms-v{side}'}")

    def counter(self, side, name, device=None):
        """A counter of `ip -s macsec show`: the first line of names that has it, and the numbers below."""
        lines = self.macsec(side, device).splitlines()
        for names, numbers in zip(lines, lines[1:]):
            if name in names.split():
                return int(numbers.split()[names.replace("stats:", "").split().index(name)])
        pytest.fail(f"no counter {name} in:\n" + "\n".join(lines))

    def errors(self):
        return [line for side in "ab" for line in self.lines(side) if "error" in line]

    def close(self):
        for side in list(self.processes):
            self.kill(side)
        self.run("ip netns del a; ip netns del b")


@pytest.fixture
def bed(guest):
    bed = Bed(guest)
    yield bed
    bed.close()


def long(parameter):
    return pytest.param(parameter, marks=pytest.mark.long)


def frames(capture):
    """The frames of a capture file."""
    assert struct.unpack("<I", capture[:4])[0] == 0xA1B2C3D4
    found, place = [], 24
    while place + 16 <= len(capture):
        length = struct.unpack("<I", capture[place + 8:place + 12])[0]
        found.append(capture[place + 16:place + 16 + length])
        place += 16 + length
    return found


@pytest.mark.parametrize(
    "suite", [long("GCM-AES-128"), long("GCM-AES-256"), long("GCM-AES-XPN-128"), "GCM-AES-XPN-256"])
def test_secured_with_each_suite(bed, suite):
    for side in "ab":
        bed.port(side, suite=suite)
    bed.secured()
    bed.address()
    assert bed.ping() == 1
    for side in "ab":
        shown = bed.macsec(side)
        assert suite + "," in shown and "encrypt on" in shown and "validate strict" in shown, shown
        assert bed.counter(side, "OutPktsEncrypted") >= 20 and bed.counter(side, "InPktsOK") >= 20
        assert bed.counter(side, "InPktsNotValid") == 0
    assert not bed.errors()


@pytest.mark.long
def test_nothing_in_clear_on_the_wire(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-XPN-256", must=1)
    bed.secured()
    bed.address()
    bed.ping(2)
    for link in ("va", "ms-va"):
        bed.run(f"ip netns exec a tcpdump -Z root -U -i {link} -w /tmp/{link}.pcap >/dev/null 2>&1 </dev/null &")
    bed.run("sleep 2; ip netns exec a ping -q -c 5 -i 0.2 -s 200 -p 5a 10.0.0.2; sleep 1; killall tcpdump; sleep 1",
            check=False)
    clear = b"\x5a" * 100
    wire, inside = frames(bed.guest.read("/tmp/va.pcap")), frames(bed.guest.read("/tmp/ms-va.pcap"))
    # That it is seen where it is in clear shows that it was sent.
    assert sum(clear in frame for frame in inside) == 10
    assert {struct.unpack(">H", frame[12:14])[0] for frame in wire} <= {MKA, MACSEC}
    assert sum(struct.unpack(">H", frame[12:14])[0] == MACSEC for frame in wire) >= 10
    assert not any(clear in frame for frame in wire)


@pytest.mark.long
def test_integrity_only(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-128", offset="none")
    bed.secured()
    bed.address()
    assert bed.ping() == 1
    assert "encrypt off" in bed.macsec("a") and bed.counter("a", "OutPktsProtected") >= 20


def test_rekeys_lose_no_frame(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-XPN-256", rekey=4)
    bed.secured()
    bed.address()
    assert bed.ping(2) == 1
    before = bed.count("a", event="SAK_REKEY")
    bed.pinging(900, 0.02)
    assert bed.answers() == ("900", "900")
    # Long enough for the association numbers to come round.
    bed.wait("five rekeys", lambda: bed.count("a", event="SAK_REKEY") - before >= 5)
    assert bed.ping() == 1
    for side in "ab":
        # The old SAKs are gone.
        assert len(re.findall(r"key [0-9a-f]{32}", bed.macsec(side))) <= 4
    assert not bed.errors()


@pytest.mark.long
def test_packet_numbers_that_run_out_bring_a_new_sak(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-128")
    bed.secured()
    bed.address()
    assert bed.ping(5) == 1
    bed.run("ip -n a macsec set ms-va tx sa 0 pn 3221225472")
    bed.wait("rekey", lambda: bed.count("a", event="SAK_REKEY") >= 1, limit=20)
    assert bed.ping() == 1
    assert not bed.errors()


@pytest.mark.long
def test_delay_protection(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-XPN-128", delay=1, window=8)
    bed.secured()
    bed.address()
    bed.pinging(300, 0.02)
    assert bed.answers() == ("300", "300")
    assert bed.counter("b", "InPktsLate") == 0
    assert not bed.errors()


@pytest.mark.long
def test_dormant_until_secured(bed):
    def state():
        return re.search(r"state (\w+)", bed.run("ip -n a link show ms-va")).group(1)

    bed.port("a", suite="GCM-AES-128")
    bed.wait("device", lambda: "ms-va" in bed.run("ip -n a link show"))
    assert state() == "DORMANT" and "validate strict" in bed.macsec("a")
    bed.run("ip -n a addr add 10.0.0.1/24 dev ms-va; ip -n a neigh add 10.0.0.2 lladdr "
                            "02:00:00:00:0b:01 dev ms-va")
    # Nothing goes out of it.
    sent = "cat /sys/class/net/va/statistics/tx_packets"
    bed.run("ip netns exec a ping -q -c 3 -W 1 10.0.0.2 || true")
    assert bed.counter("a", "OutPktsUntagged") == 0 and bed.counter("a", "OutPktsEncrypted") == 0
    assert int(bed.run(f"ip netns exec a {sent}")) < 20
    bed.port("b", suite="GCM-AES-128")
    bed.secured()
    assert state() == "UP"
    # The parent goes down and comes back within the life time: the session goes on, and so does the port.
    bed.run("ip -n a link set va down; sleep 1; ip -n a link set va up")
    bed.wait("operational port", lambda: state() == "UP")


@pytest.mark.long
def test_another_suite_takes_the_place_of_the_first(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-XPN-256")
    bed.secured()
    bed.run("ip -n a link set ms-va mtu 1300")
    for side in "ab":
        bed.kill(side)
        bed.run(f"rm -f /tmp/{side}.log")
    for side in "ab":
        bed.port(side, suite="GCM-AES-128")
    bed.secured()
    bed.address()
    assert bed.ping() == 1
    for side in "ab":
        assert "GCM-AES-128," in bed.macsec(side)
    assert "mtu 1300" in bed.run("ip -n a link show ms-va")
    assert not bed.errors()


def test_killed_and_back_in_time_loses_no_frame(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-XPN-256", state=f"/tmp/{side}.state")
    bed.secured()
    bed.address()
    assert bed.ping(5) == 1
    for _ in range(4):
        lines = len(bed.lines("b"))
        answers = bed.killed_and_back("a", suite="GCM-AES-XPN-256", state="/tmp/a.state")
        time.sleep(7)
        said = bed.lines("b")[lines:]
        if not answers:
            continue
        assert answers == ("300", "300")
        # The peer saw the same member all the time, and nothing new.
        assert not [line for line in said if line.get("event") == "SESSION_SECURED" or line.get("command") == "port"]
        assert bed.ping() == 1
        assert not bed.errors()
        return
    pytest.fail("not once back within the life time of MKA")


@pytest.mark.long
def test_traffic_outlives_both_agents_and_they_begin_anew(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-256")
    bed.secured()
    bed.address()
    first = re.search(r"key ([0-9a-f]{32})", bed.macsec("a")).group(1)
    for side in "ab":
        bed.kill(side)
    assert bed.ping(100, 0.02) == 1
    for side in "ab":
        bed.port(side, suite="GCM-AES-256")
    bed.secured(times=2)
    # The device was taken over with all that was in it: the addresses are still there, the old SAK is not.
    adopted = [line for line in bed.lines("a") if line.get("secy") == "kernel"]
    assert [line["transmit"] for line in adopted] == ["0", "1"] and adopted[1]["status"] == "protected"
    assert bed.ping() == 1
    assert first not in bed.macsec("a") + bed.macsec("b")
    assert not bed.errors()


@pytest.mark.long
def test_a_device_that_is_deleted_is_made_again(bed):
    for side in "ab":
        bed.port(side, suite="GCM-AES-128")
    bed.secured()
    bed.run("ip -n a link del ms-va")
    bed.secured("a", times=2)
    bed.address()
    bed.wait("answers", lambda: bed.ping(5) == 1)
    assert any("lost" in line for line in bed.lines("a"))


def test_must_secure(bed):
    for side, last in (("a", 1), ("b", 2)):
        bed.run(f"ip -n {side} addr add 192.0.2.{last}/24 dev v{side}")
    # In clear, both stacks reach each other; otherwise the rest would prove nothing.
    assert bed.ping(3, target="192.0.2.2") == 1
    bed.port("a", suite="GCM-AES-XPN-256", must=1)
    bed.wait("filter", lambda: "agentd-port-va" in bed.run("ip netns exec a nft list ruleset"))
    assert bed.ping(3, target="192.0.2.2") == 0
    # Nothing gets in either: what b asks for stays without an answer, and is dropped on its way in.
    assert bed.ping(3, target="192.0.2.1", side="b") == 0
    rules = bed.run("ip netns exec a nft list table netdev agentd-port-va")
    dropped = [int(number) for number in re.findall(r"counter packets (\d+)", rules)]
    assert len(dropped) == 2 and all(number > 0 for number in dropped), rules
    bed.port("b", suite="GCM-AES-XPN-256")
    bed.secured()
    bed.address()
    assert bed.ping() == 1
    bed.kill("a")
    assert bed.ping(3, target="192.0.2.2") == 0 and bed.ping() == 1
    assert not bed.errors()


@pytest.mark.long
def test_two_capabilities_are_enough(bed):
    who = "setpriv --reuid=1000 --regid=1000 --clear-groups"
    for clause in ("inh-caps", "ambient-caps", "bounding-set"):
        who += f" --{clause}=-all,+net_admin,+net_raw"
    for side in "ab":
        bed.port(side, prefix=who, suite="GCM-AES-256", must=1)
    bed.secured()
    bed.address()
    assert bed.ping() == 1
    status = bed.run(f"cat /proc/{bed.processes['a']}/status")
    assert re.search(r"Uid:\s1000\s1000", status) and re.search(r"CapEff:\s0000000000003000", status), status
    assert not bed.errors()


@pytest.mark.long
def test_should_secure(bed):
    # Until the other end does MKA too, frames pass in clear, each once.
    bed.run("ip -n b addr add 10.0.0.2/24 dev vb")
    bed.port("a", suite="GCM-AES-XPN-256", should=1)
    bed.wait("open port", lambda: bed.count("a", command="port", status="unprotected"))
    bed.run("ip -n a addr add 10.0.0.1/24 dev ms-va")
    assert bed.ping() == 1 and bed.ping(target="10.0.0.1", side="b") == 1
    assert bed.counter("a", "OutPktsUntagged") > 0 and bed.counter("a", "InPktsUntagged") > 0
    said = bed.run("ip netns exec a ping -c 5 -i 0.1 10.0.0.2; ip netns exec b ping -c 5 -i 0.1 10.0.0.1")
    assert "DUP" not in said, said
    bed.run("ip -n b addr flush dev vb")
    bed.port("b", suite="GCM-AES-XPN-256", should=1)
    bed.secured()
    bed.address()
    untagged = bed.counter("a", "OutPktsUntagged")
    assert bed.ping() == 1
    assert bed.counter("a", "OutPktsUntagged") == untagged and bed.counter("a", "OutPktsEncrypted") >= 20
    # And again in clear when the other end is gone.
    bed.kill("b")
    bed.wait("open port", lambda: bed.count("a", command="port", status="unprotected") == 2)
    assert not bed.errors()


class TestWPASupplicant:
    """A stock wpa_supplicant with kernel MACsec of its own at the other end."""

    DEVICE = "macsec0"

    def supplicant(self, bed, bits, priority):
        if not bed.guest.has_supplicant:
            pytest.skip("wpa_supplicant is not installed")
        text = f"""eapol_version=3
ap_scan=0
fast_reauth=1
network={{
 key_mgmt=NONE
 eapol_flags=0
 macsec_policy=1
 mka_cak={CAK[bits]}
 mka_ckn={CKN}
 mka_priority={priority}
 macsec_replay_protect=1
 macsec_replay_window=64
}}
"""
        bed.run(f"cat >/tmp/wpa.conf <<'END'\n{text}END")
        bed.start("b", "/root/wpa_supplicant -D macsec_linux -i vb -c /tmp/wpa.conf -dd -K -t")

    def check(self, bed):
        bed.secured("a")
        bed.wait("its device", lambda: self.DEVICE in bed.run("ip -n b link show"))
        bed.run(f"ip -n a addr replace 10.0.0.1/24 dev ms-va; ip -n b addr replace 10.0.0.2/24 dev {self.DEVICE}")
        bed.wait("answers", lambda: bed.ping(3) == 1)
        sent, taken = bed.counter("a", "OutPktsEncrypted"), bed.counter("b", "InPktsOK", self.DEVICE)
        assert bed.ping(50, 0.02) == 1
        assert bed.counter("a", "OutPktsEncrypted") - sent >= 50
        assert bed.counter("b", "InPktsOK", self.DEVICE) - taken >= 50
        assert bed.counter("a", "InPktsNotValid") == 0 and bed.counter("b", "InPktsNotValid", self.DEVICE) == 0
        assert not [line for line in bed.lines("a") if "error" in line]

    @pytest.mark.parametrize("bits", [long(128), 256])
    @pytest.mark.parametrize("ours", [0, 255], ids=["our-key-server", "their-key-server"])
    def test_secured(self, bed, bits, ours):
        bed.port("a", bits=bits, suite="GCM-AES-128", priority=ours)
        self.supplicant(bed, bits, 255 - ours)
        self.check(bed)

    @pytest.mark.long
    def test_our_rekeys_lose_no_frame(self, bed):
        bed.port("a", bits=128, suite="GCM-AES-128", priority=0, rekey=5)
        self.supplicant(bed, 128, 255)
        self.check(bed)
        before = bed.count("a", event="SAK_REKEY")
        bed.pinging(700, 0.02)
        assert bed.answers() == ("700", "700")
        assert bed.count("a", event="SAK_REKEY") > before

    @pytest.mark.long
    def test_killed_and_back_in_time(self, bed):
        options = dict(bits=128, suite="GCM-AES-128", priority=0, state="/tmp/a.state")
        bed.port("a", **options)
        self.supplicant(bed, 128, 255)
        self.check(bed)
        for _ in range(4):
            key = re.search(r"key ([0-9a-f]{32})", bed.macsec("b", self.DEVICE)).group(1)
            answers = bed.killed_and_back("a", **options)
            time.sleep(8)
            if not answers:
                continue
            assert key in bed.macsec("b", self.DEVICE), "the peer took it for another member"
            assert answers == ("300", "300")
            assert bed.ping(50, 0.02) == 1
            return
        pytest.fail("not once back within the life time of MKA")
