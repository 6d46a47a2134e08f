# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""secyd as a process: two of them in two network namespaces with keys given by the test, and what is on the wire."""

import hashlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import secydcontrol as control
from conftest import BUILD

PROGRAM = BUILD / "secyd"
PATTERN = b"the quick brown fox is no secret " * 8
OUTGOING = 4


def missing():
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    probe = control.run("unshare", "-n", "true", check=False)
    return None if probe.returncode == 0 else "network namespaces cannot be made here"


pytestmark = pytest.mark.skipif(missing() is not None, reason=f"secyd: {missing()}")


@pytest.fixture
def wire(tmp_path):
    """Two ends whose secyds do not run yet."""
    bed = control.Bed(tmp_path, PROGRAM)
    yield bed
    bed.close()


@pytest.fixture
def bed(wire):
    wire.start()
    return wire


def until(condition, limit=20):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def udp(bed, payload, count=1):
    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(count):
                sender.sendto(payload, (bed.b.ip, 4000))

    control.in_namespace(bed.a.namespace, send)


def receiver(bed):
    def make():
        result = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        result.bind((bed.b.ip, 4000))
        result.settimeout(2)
        return result

    return control.in_namespace(bed.b.namespace, make)


@pytest.mark.parametrize("suite", control.SUITES)
def test_everything_on_the_wire_is_macsec(bed, suite):
    wire = bed.a.socket("va")
    bed.secure(suite=suite)
    assert bed.ping() == 3
    inbox = receiver(bed)
    udp(bed, PATTERN)
    assert inbox.recv(4096) == PATTERN
    seen = control.frames(wire)
    assert len(seen) >= 7
    for frame, _ in seen:
        assert frame[12:14] == b"\x88\xe5", frame.hex()
        assert PATTERN[:33] not in frame
        assert frame[14] & 0x2C == 0x2C
    ours, theirs = bed.a.control.report(), bed.b.control.report()
    sent = ours["transmit"]["encrypted"]
    assert sent >= 4 and ours["transmit"]["associations"][0]["next_pn"] == sent + 1
    assert theirs["receive"][bed.a.sci]["ok"] == sent
    assert theirs["receive"][bed.a.sci]["octets_decrypted"] == ours["transmit"]["octets_encrypted"]
    assert theirs["interface"]["overrun"] == 0


def test_integrity_only_is_readable_and_protected(bed):
    wire = bed.a.socket("va")
    bed.secure(offset=0)
    inbox = receiver(bed)
    udp(bed, PATTERN)
    assert inbox.recv(4096) == PATTERN
    assert any(PATTERN in frame and frame[12:14] == b"\x88\xe5" for frame, _ in control.frames(wire))
    assert bed.b.control.report()["receive"][bed.a.sci]["octets_validated"] > len(PATTERN)


def test_replayed_and_forged_frames_are_dropped_and_counted(bed):
    wire = bed.a.socket("va")
    bed.secure()
    inbox = receiver(bed)
    udp(bed, PATTERN, 5)
    for _ in range(5):
        assert inbox.recv(4096) == PATTERN
    sent = [frame for frame, origin in control.frames(wire) if origin[2] == OUTGOING and len(frame) > 250]
    assert len(sent) == 5
    before = bed.b.control.report()["receive"][bed.a.sci]
    for frame in sent:
        wire.send(frame)
    forged = bytearray(sent[4])
    forged[16:20] = b"\x00\x00\xff\xff"
    wire.send(forged)
    forged = bytearray(sent[4])
    forged[27] ^= 1
    wire.send(forged)
    until(lambda: bed.b.control.report()["interface"]["no_sci"] == 1)
    after = bed.b.control.report()["receive"][bed.a.sci]
    assert after["late"] == before["late"] + 5
    assert after["not_valid"] == before["not_valid"] + 1
    assert after["ok"] == before["ok"]
    inbox.settimeout(0.2)
    with pytest.raises(TimeoutError):
        inbox.recv(4096)


def test_clear_frames_do_not_get_in_and_exceptions_do(bed):
    wire, port = bed.a.socket("va"), bed.b.socket(bed.b.port)
    bed.secure(clear=1)
    control.frames(port)
    wire.send(bed.b.mac + bed.a.mac + b"\x08\x00" + PATTERN)
    wire.send(bytes.fromhex("0180c200000e") + bed.a.mac + b"\x88\xcc" + PATTERN)
    wire.send(bytes.fromhex("0180c2000002") + bed.a.mac + b"\x88\x09" + PATTERN)
    wire.send(bytes.fromhex("0180c2000003") + bed.a.mac + b"\x88\x8e" + PATTERN)
    got = [frame[12:14] for frame, _ in control.frames(port)]
    assert got == [b"\x88\xcc"]
    counts = bed.b.control.report()
    assert counts["interface"]["no_tag"] == 2 and counts["interface"]["untagged"] == 1
    assert counts["receive"][bed.a.sci]["untagged_hit"] == 1


def test_exceptions_go_out_in_clear(bed):
    wire, port = bed.b.socket("vb"), bed.a.socket(bed.a.port)
    bed.secure(clear=1)
    control.frames(wire)
    port.send(bytes.fromhex("0180c200000e") + bed.a.mac + b"\x88\xcc" + PATTERN)
    port.send(bytes.fromhex("0180c2000002") + bed.a.mac + b"\x88\x09" + PATTERN)
    assert sorted(frame[12:14] for frame, _ in control.frames(wire)) == [b"\x88\xcc", b"\x88\xe5"]


def test_vlan_tags_in_clear(bed):
    out, port = bed.a.socket(bed.a.port), bed.b.socket(bed.b.port)
    wire = bed.b.socket("vb")
    bed.secure(tags=1)
    control.frames(port), control.frames(wire)
    tagged = bed.b.mac + bed.a.mac + b"\x81\x00\x00\x2a\x12\x34" + PATTERN
    out.send(tagged)
    until(lambda: bed.b.control.report()["receive"][bed.a.sci]["ok"] >= 1)
    seen = [frame for frame, _ in control.frames(wire) if frame[14:18] != b"" and PATTERN not in frame]
    # Packet sockets are shown the outer tag beside the frame, so only what follows it counts here.
    assert any(b"\x88\xe5" in frame[12:18] for frame in seen)
    assert any(PATTERN in frame and b"\x12\x34" in frame[12:18] for frame, _ in control.frames(port))


def test_blocked_until_programmed_and_in_clear_while_unprotected(bed):
    wire = bed.b.socket("vb")
    assert not bed.a.carrier()
    assert bed.ping(1) == 0
    assert control.frames(wire) == []
    for end in (bed.a, bed.b):
        end.control.program(control.set_port(control.UNPROTECTED))
    assert bed.a.carrier()
    assert bed.ping() == 3
    assert bed.a.control.report()["interface"]["out_untagged"] >= 3
    assert {frame[12:14] for frame, _ in control.frames(wire)} <= {b"\x08\x00", b"\x08\x06"}


def transfer(bed, size):
    """A TCP flow from one controlled port to the other; octets per second."""

    def listen():
        server = socket.socket()
        server.bind((bed.b.ip, 0))
        server.listen()
        return server

    server = control.in_namespace(bed.b.namespace, listen)
    block = os.urandom(1 << 20)
    received, digest = [0], hashlib.sha256()

    def serve():
        connection, _ = server.accept()
        connection.settimeout(20)
        with connection:
            while octets := connection.recv(1 << 16):
                digest.update(octets)
                received[0] += len(octets)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    expected = hashlib.sha256()
    start = time.monotonic()
    client = control.in_namespace(
        bed.a.namespace, lambda: socket.create_connection((bed.b.ip, server.getsockname()[1]), timeout=20))
    with client:
        for _ in range(size >> 20):
            client.sendall(block)
            expected.update(block)
    thread.join(20)
    assert received[0] == size >> 20 << 20
    assert digest.digest() == expected.digest()
    return received[0] / (time.monotonic() - start)


@pytest.mark.parametrize("port", [control.PROTECTED, control.UNPROTECTED])
def test_a_bulk_flow_arrives_whole(bed, port):
    bed.secure(suite="GCM-AES-XPN-256", port=port)
    transfer(bed, 64 << 20)
    counts = bed.b.control.report()
    if port == control.PROTECTED:
        assert counts["receive"][bed.a.sci]["octets_decrypted"] > 64 << 20
    assert counts["receive"][bed.a.sci]["not_valid"] == 0


def test_a_flow_in_clear_from_another_host_arrives_whole(wire):
    """The other host's segments come merged, longer than a place in the ring, and with checksums that it left open."""
    wire.b.start()
    wire.b.control.program(control.set_port(control.UNPROTECTED))
    control.run("ip", "-n", wire.a.namespace, "address", "add", f"{wire.a.ip}/24", "dev", "va")
    control.run("ip", "-n", wire.b.namespace, "address", "add", f"{wire.b.ip}/24", "dev", wire.b.port)
    transfer(wire, 32 << 20)
    counts = wire.b.control.report()["interface"]
    assert 500 < counts["untagged"] < 32 << 20 >> 11, "most came merged"


def test_rekey_under_a_flow_loses_nothing(bed):
    old = bed.secure()
    answered = []
    ping = threading.Thread(target=lambda: answered.append(bed.ping(100, 0.01)))
    ping.start()
    for generation in range(1, 6):
        time.sleep(0.15)
        number, key, name = generation % 4, os.urandom(16), os.urandom(16)
        octets = control.key_octets(name, key)
        ends = ((bed.a, bed.b), (bed.b, bed.a))
        for end, other in ends:
            end.control.program(
                control.add_receive_association(other.sci, number, octets),
                control.add_transmit_association(number, octets))
        for end, _ in ends:
            end.control.program(control.enable_transmit(number, name))
        time.sleep(0.05)
        last = (generation - 1) % 4
        for end, other in ends:
            end.control.program(
                control.remove_transmit_association(last, old),
                bytes([6]) + other.sci.to_bytes(8, "big") + bytes([last]) + old)
        old = name
    ping.join()
    assert answered == [100]


CONTROLLER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import secydcontrol
connection = secydcontrol.Control(sys.argv[2])
print(connection.identify()["process"], flush=True)
time.sleep(60)
"""


def test_traffic_outlives_a_killed_controller(bed):
    bed.secure()
    child = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(pathlib.Path(__file__).parent), str(bed.a.directory / "control")],
        stdout=subprocess.PIPE)
    assert int(child.stdout.readline()) > 0
    assert bed.ping() == 3
    child.kill()
    child.wait()
    assert bed.ping(20, 0.02) == 20
    again = control.Control(bed.a.directory / "control")
    assert again.identify()["instance"] == bed.a.control.identify()["instance"]
    assert again.report()["transmit"]["associations"][0]["enabled"] == 1


def test_a_killed_secyd_leaves_its_port_and_comes_back_empty(bed):
    name = bed.secure()
    assert bed.ping() == 3
    first = bed.a.control.identify()
    assert first["port"] == bed.a.port and first["parent"] == "va" and first["sci"] == bed.a.sci
    bed.a.stop(signal.SIGKILL)
    assert f"{bed.a.ip}/24" in bed.a.execute("ip", "address", "show", bed.a.port).stdout
    assert not bed.a.carrier()
    bed.a.start()
    assert bed.a.control.identify()["instance"] != first["instance"]
    report = bed.a.control.report()
    assert report["status"] == control.BLOCKED and not report["receive"] and not report["transmit"]["associations"]
    # A new key, as the KaY must make one.
    for end in (bed.a, bed.b):
        end.control.perform(
            control.remove_transmit_association(0, name), control.remove_receive_channel(bed.a.sci),
            control.remove_receive_channel(bed.b.sci))
    bed.secure(key=b"\x55" * 16, name=b"\x77" * 16)
    assert bed.ping() == 3


def test_a_key_is_not_taken_twice(bed):
    name = bed.secure()
    octets = control.key_octets(name, bytes(range(16)))
    failures = bed.a.control.perform(
        control.remove_transmit_association(0, name), control.add_transmit_association(1, octets))
    assert [(place, code) for place, code, _ in failures] == [(1, 2)]


def test_packet_numbers_end_and_nothing_more_is_sent(bed):
    name = b"\x01" * 16
    octets = control.key_octets(name, bytes(range(16)))
    last = 2**32 - 1
    for end, other in ((bed.a, bed.b), (bed.b, bed.a)):
        end.control.program(
            control.add_receive_channel(other.sci), control.add_receive_association(other.sci, 0, octets),
            control.add_transmit_association(0, octets, last - 4), control.enable_transmit(0, name),
            control.set_port(control.PROTECTED))
    wire = bed.b.socket("vb")
    assert bed.ping(10, 0.02) < 5
    sent = [frame[16:20] for frame, origin in control.frames(wire) if frame[6:12] == bed.a.mac]
    assert sent == [(last - 4 + n).to_bytes(4, "big") for n in range(5)]
    report = bed.a.control.report()
    assert report["transmit"]["associations"][0]["next_pn"] == last + 1
    assert report["interface"]["out_blocked"] >= 5


def test_remove_takes_the_port_away(bed):
    bed.a.control.ask(control.REMOVE)
    assert bed.a.process.wait(5) == 0
    assert bed.a.port not in bed.a.execute("ip", "link").stdout


def test_the_port_follows_its_parent(bed):
    bed.secure()
    show = lambda: bed.a.execute("ip", "link", "show", bed.a.port).stdout
    assert "mtu 1468" in show() and "02:00:00:00:0a:01" in show()
    for end in (bed.a, bed.b):
        end.execute("ip", "link", "set", end.link, "mtu", 9000)
    until(lambda: "mtu 8968" in show() and "mtu 8968" in bed.b.execute("ip", "link", "show", bed.b.port).stdout)
    inbox = receiver(bed)
    udp(bed, b"x" * 8900)
    assert len(inbox.recv(9000)) == 8900
    # Frames longer than the parent takes are counted.
    before = bed.a.control.report()["interface"]["out_too_long"]
    bed.a.execute("ip", "link", "set", "va", "mtu", 1500)
    bed.a.socket(bed.a.port).send(bed.b.mac + bed.a.mac + b"\x12\x34" + b"x" * 1480)
    until(lambda: "mtu 1468" in show())
    bed.b.execute("ip", "link", "set", "vb", "down")
    until(lambda: not bed.a.carrier())
    bed.b.execute("ip", "link", "set", "vb", "up")
    until(bed.a.carrier)
    assert before == 0
    # None of that keeps it busy.
    def ticks():
        return sum(int(n) for n in pathlib.Path(f"/proc/{bed.b.process.pid}/stat").read_text().split()[13:15])

    bed.b.execute("ip", "link", "set", "vb", "down")
    before = ticks()
    time.sleep(0.5)
    assert ticks() - before < 10
    bed.b.execute("ip", "link", "delete", bed.b.port)
    assert bed.b.process.wait(5) == 1
    bed.a.execute("ip", "link", "delete", "va")
    assert bed.a.process.wait(5) == 1
    assert "gone" in (bed.a.directory / "log").read_text()


def test_only_one_secyd_by_directory(bed):
    second = bed.a.execute(
        PROGRAM, "--parent", "va", "--port", "other", "--sci", "0" * 16, "--directory", bed.a.directory, check=False)
    assert second.returncode == 1 and "held by another secyd" in second.stderr


def test_it_has_no_more_rights_than_it_needs(bed):
    status = pathlib.Path(f"/proc/{bed.a.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == 1 << 12 | 1 << 13
    assert int(fields["CapPrm"], 16) == 1 << 12 | 1 << 13
    assert int(fields["CapBnd"], 16) == 1 << 12 | 1 << 13
    assert fields["NoNewPrivs"] == "1"
    limits = pathlib.Path(f"/proc/{bed.a.process.pid}/limits").read_text()
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core")] == ["0"]
    assert (bed.a.directory / "control").stat().st_mode & 0o777 == 0o600
    assert (bed.a.directory / "lock").stat().st_mode & 0o777 == 0o600


def test_it_needs_no_root(wire, tmp_path):
    """Another user with the two capabilities, in directories and with a program that it may enter."""
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_mode & 0o001 == 0 and parent != pathlib.Path("/"):
            os.chmod(parent, parent.stat().st_mode | 0o011)
    program = tmp_path / "secyd"
    program.write_bytes(PROGRAM.read_bytes())
    program.chmod(0o755)
    capabilities = "+net_admin,+net_raw"
    for end in (wire.a, wire.b):
        os.chown(end.directory, 65534, 65534)
        end.program = program
        end.start(
            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", capabilities,
            "--ambient-caps", capabilities)
        control.run("ip", "-n", end.namespace, "address", "add", f"{end.ip}/24", "dev", end.port)
    wire.secure()
    assert wire.ping() == 3
    status = pathlib.Path(f"/proc/{wire.a.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65534"] * 4
    assert int(fields["CapEff"], 16) == 1 << 12 | 1 << 13


def test_without_its_capabilities_it_says_so(wire):
    result = wire.a.execute(
        "setpriv", "--bounding-set", "-net_raw", PROGRAM, "--parent", "va", "--port", "ms-va", "--sci", "0" * 16,
        "--directory", wire.a.directory, check=False)
    assert result.returncode == 1 and result.stderr.startswith("secyd: "), result.stderr


def test_asked_to_end_it_leaves_its_port(bed):
    bed.secure()
    bed.a.process.terminate()
    assert bed.a.process.wait(5) == 0
    assert bed.a.port in bed.a.execute("ip", "link").stdout and not bed.a.carrier()


def test_other_users_are_not_heard(bed):
    os.chmod(bed.a.directory / "control", 0o666)
    code = (
        "import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.settimeout(5)\ns.connect(sys.argv[1])\n"
        "try:\n  s.send(bytes([1, 1, 0, 0, 0, 0, 0, 1]))\n  print(len(s.recv(100)))\nexcept OSError: print(0)\n")
    # The other user is let come as far as the socket.
    for parent in [bed.a.directory, *bed.a.directory.parents]:
        if parent.stat().st_mode & 0o001 == 0 and parent != pathlib.Path("/"):
            os.chmod(parent, parent.stat().st_mode | 0o011)
    result = control.run(sys.executable, "-c", code, bed.a.directory / "control")
    assert result.stdout.strip() == "0"
    assert bed.a.control.identify()


def test_nonsense_is_refused_and_harms_nothing(bed):
    bed.secure()
    with pytest.raises(control.Refused):
        bed.a.control.ask(99)
    with pytest.raises(control.Refused):
        bed.a.control.ask(control.PERFORM, b"\x00\x05\x01")
    for message in (b"\x00", b"\xff" * 60000, os.urandom(500)):
        connection = control.Control(bed.a.directory / "control")
        connection.socket.send(message)
        connection.socket.recv(65536)
        connection.close()
    many = [control.Control(bed.a.directory / "control") for _ in range(12)]
    for connection in many:
        connection.close()
    assert bed.ping() == 3
    assert bed.a.control.report()["status"] == control.PROTECTED
