# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""MKA and secyd together, without the agent around: sessions, rekeys and restarts of either, with traffic on them."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import secydcontrol as control
from conftest import BUILD, ROOT
from test_secyd import PATTERN, missing, receiver, udp, until

CAK = "0123456789abcdef" * 2
MKA_LIFE = 6

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"secyd: {missing()}")


class MKAPort:
    """The MKA engine on one end, with a secyd of its own."""

    def __init__(self, end, folder, **arguments):
        self.end = end
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        self.path = folder / f"mkaport-{end.link}-{time.monotonic_ns()}"
        words = {
            "interface": end.link, "address": end.mac.hex(), "ckn": "abcd", "cak": CAK, "seconds": 120,
            "secy": "userspace", "secyd": BUILD / "secyd", "directory": folder, **arguments,
        }
        with open(self.path, "w") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", end.namespace, BUILD / "mkaport", *(f"{k}={v}" for k, v in words.items())],
                stdout=log, stderr=log)

    def lines(self):
        result = []
        for line in self.path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                result.append(json.loads(line))
        return result

    def keys(self):
        return [line["ki"] for line in self.lines() if line.get("command") == "enable_txsa"]

    def control(self):
        return control.Control(self.folder / self.end.port / "control")

    def secyd(self):
        return int((self.folder / self.end.port / "lock").read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def bed(tmp_path):
    made = control.Bed(tmp_path, BUILD / "secyd")
    yield made
    for end in ("va", "vb"):
        for lock in (tmp_path / f"mka-{end}").glob("*/lock"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(lock.read_text()), signal.SIGKILL)
    made.close()


@pytest.fixture
def start(bed, tmp_path):
    ports = []

    def begin(end, **arguments):
        ports.append(MKAPort(end, tmp_path / f"mka-{end.link}", **arguments))
        return ports[-1]

    yield begin
    for port in ports:
        port.kill()


def secured(bed, *ports, keys=1, limit=20):
    def both():
        for port in ports:
            assert port.process.poll() is None, port.path.read_text()
        seen = [port.keys() for port in ports]
        return all(len(key) >= keys and key[-1] == seen[0][-1] for key in seen)

    until(both, limit)
    for end in (bed.a, bed.b):
        control.run("ip", "-n", end.namespace, "address", "replace", f"{end.ip}/24", "dev", end.port)


@pytest.mark.parametrize(
    "settings",
    [
        {"suite": "GCM-AES-128"}, {"suite": "GCM-AES-XPN-256", "offset": "none"},
        {"suite": "GCM-AES-256", "offset": "50", "delay": 1}, {"suite": "GCM-AES-XPN-128", "window": 0},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())))
def test_a_session_secures_the_traffic(bed, start, settings):
    ports = start(bed.a, priority=16, **settings), start(bed.b, priority=32, **settings)
    secured(bed, *ports)
    wire = bed.a.socket("va")
    inbox = receiver(bed)
    udp(bed, PATTERN)
    assert inbox.recv(4096) == PATTERN
    assert bed.ping(20, 0.02) == 20
    seen = [frame for frame, _ in control.frames(wire)]
    assert {frame[12:14] for frame in seen} <= {b"\x88\xe5", b"\x88\x8e"}
    readable = any(PATTERN in frame for frame in seen)
    assert readable == (settings.get("offset") == "none")
    counts = ports[1].control().report()["receive"][bed.a.sci]
    assert counts["ok"] >= 21 and counts["not_valid"] == 0 and counts["late"] == 0


def test_rekeys_lose_nothing(bed, start):
    ports = start(bed.a, priority=16, rekey=1), start(bed.b, priority=32)
    secured(bed, *ports)
    assert bed.ping(700, 0.01) == 700
    assert len(set(ports[0].keys())) >= 2
    secured(bed, *ports)


def test_traffic_outlives_the_controller_and_its_next_one_goes_on(bed, start, tmp_path):
    state = tmp_path / "state"
    first = start(bed.a, priority=16, state=state)
    other = start(bed.b, priority=32)
    secured(bed, first, other)
    secyd, keys = first.secyd(), len(first.keys())
    answered = []
    flow = threading.Thread(target=lambda: answered.append(bed.ping(400, 0.01)))
    flow.start()
    time.sleep(0.5)
    first.kill()
    time.sleep(1)
    again = start(bed.a, priority=16, state=state)
    until(lambda: any("resumed" in line for line in again.lines()))
    flow.join()
    assert answered == [400]
    assert again.secyd() == secyd
    assert len(other.keys()) == keys and not again.keys(), "no new SAK was needed"
    time.sleep(MKA_LIFE + 1)
    assert bed.ping() == 3
    assert len(other.keys()) == keys


def test_after_a_crash_of_secyd_there_is_a_new_key(bed, start):
    ports = start(bed.a, priority=16), start(bed.b, priority=32)
    secured(bed, *ports)
    assert bed.ping() == 3
    before = ports[0].keys()
    os.kill(ports[0].secyd(), signal.SIGKILL)
    until(lambda: any("lost" in line for line in ports[0].lines()))
    assert f"{bed.a.ip}/24" in bed.a.execute("ip", "address", "show", bed.a.port).stdout
    until(lambda: ports[0].keys()[-1] not in before and ports[0].keys()[-1] == ports[1].keys()[-1], 25)
    until(lambda: bed.ping(1) == 1, 10)
    assert bed.ping(20, 0.02) == 20


def test_must_secure_keeps_frames_in_clear_off_the_port(bed, start):
    """On one end only: so the other can send what is to be kept off."""
    ports = start(bed.a, priority=16), start(bed.b, priority=32, must=1)
    secured(bed, *ports)
    for end in (bed.a, bed.b):
        control.run("ip", "-n", end.namespace, "address", "add", f"198.51.100.{end.ip[-1]}/24", "dev", end.link)
    inner, outer = bed.b.socket(bed.b.port), bed.a.socket("va")
    control.frames(inner)
    outer.send(bed.b.mac + bed.a.mac + b"\x08\x00" + PATTERN)
    until(lambda: ports[1].control().report()["interface"]["no_tag"] >= 1)
    assert all(PATTERN not in frame for frame, _ in control.frames(inner))
    with pytest.raises(OSError):
        bed.b.socket("vb").send(bed.a.mac + bed.b.mac + b"\x08\x00" + PATTERN)
    bed.b.ip, protected = "198.51.100.2", bed.b.ip
    assert bed.ping(2) == 0
    bed.b.ip = protected
    assert bed.ping() == 3


def test_should_secure_passes_frames_in_clear_once(bed, start):
    """Until the other end does MKA; the controlled port gets them, and the parent's own stack does not."""
    control.run("ip", "-n", bed.b.namespace, "address", "add", f"{bed.b.ip}/24", "dev", "vb")
    port = start(bed.a, priority=16, should=1)
    until(lambda: any(line.get("status") == "unprotected" for line in port.lines()))
    control.run("ip", "-n", bed.a.namespace, "address", "replace", f"{bed.a.ip}/24", "dev", bed.a.port)
    assert bed.ping(20, 0.02) == 20
    inbox = control.in_namespace(bed.a.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    inbox.bind(("", 4001))
    inbox.settimeout(0.5)

    def times_received():
        with control.in_namespace(bed.b.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.sendto(PATTERN, (bed.a.ip, 4001))
        count = 0
        with contextlib.suppress(TimeoutError):
            while inbox.recv(4096) == PATTERN:
                count += 1
        return count

    assert times_received() == 1
    # With the parent's stack, as it would be without us, there are two: so the one was no accident.
    for family in ("inet", "arp"):
        control.run("ip", "netns", "exec", bed.a.namespace, "nft", "delete", "table", family, "agentd-parent-va")
    assert times_received() == 2
    inbox.close()


def test_the_peer_is_a_stock_wpa_supplicant(bed, start, tmp_path):
    """Its MKA, with its calls for a SecY carried over to a secyd: the keys of its log program that one."""
    for tool in ("wpa_supplicant", "gcc"):
        if not shutil.which(tool):
            pytest.skip(f"there is no {tool}")
    library, log = tmp_path / "secy.so", tmp_path / "secy.log"
    control.run("gcc", "-shared", "-fPIC", "-O1", "-o", library, ROOT / "Tests/mka/secy_preload.c", "-ldl")
    bed.b.start()
    settings = tmp_path / "wpa.conf"
    settings.write_text(
        "eapol_version=3\nap_scan=0\nfast_reauth=1\nnetwork={\nkey_mgmt=NONE\neapol_flags=0\nmacsec_policy=1\n"
        f"mka_cak={CAK}\nmka_ckn=abcd\nmka_priority=16\n}}\n")
    theirs = subprocess.Popen(
        ["ip", "netns", "exec", bed.b.namespace, "wpa_supplicant", "-D", "macsec_linux", "-i", "vb", "-c", settings],
        env={**os.environ, "LD_PRELOAD": str(library), "SECY_LOG": str(log)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ours = start(bed.a, priority=64)

        def entries():
            lines = log.read_text().splitlines() if log.exists() else []
            found = []
            for line in lines:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
            return found

        def sak():
            keys = [entry for entry in entries() if entry.get("command") == "add_txsa" and "key" in entry]
            return keys[-1] if keys else None

        until(sak, 25)
        until(lambda: any(e["command"] == "upd_txsa" and e.get("active") == "1" for e in entries()), 15)
        key = sak()
        name = bytes.fromhex(key["keyid"])
        octets = control.key_octets(name, bytes.fromhex(key["key"]))
        number = int(key["an"])
        bed.b.control.program(
            control.configure(window=64), control.add_receive_channel(bed.a.sci),
            control.add_receive_association(bed.a.sci, number, octets),
            control.add_transmit_association(number, octets), control.enable_transmit(number, name),
            control.set_port(control.PROTECTED))
        until(lambda: ours.keys(), 15)
        for end in (bed.a, bed.b):
            control.run("ip", "-n", end.namespace, "address", "replace", f"{end.ip}/24", "dev", end.port)
        assert bed.ping(20, 0.02) == 20
        report = bed.b.control.report()["receive"][bed.a.sci]
        assert report["ok"] >= 20 and report["not_valid"] == 0
    finally:
        theirs.terminate()
        theirs.wait(10)
