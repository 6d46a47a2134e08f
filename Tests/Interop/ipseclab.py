# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Two ends of a tunnel in network namespaces: agents with charons of their own, and charons configured by hand."""

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

import namespaces as networks
import pytest
import vici
from conftest import BUILD, Program, eventually
from ipsecconfig import AGENTD_IPSEC, FAR, INNER, NEAR
from lxml import etree
from namespaces import Namespace, NamespaceAgent
from plaincharon import CHARON, SWANCTL, PlainCharon

LINK = "wire"
PAYLOAD = b"clear text of a ping " * 2


def missing():
    """Why these tests cannot run here; an empty text when they can."""
    for program, package in ((CHARON, "charon-systemd"), (SWANCTL, "strongswan-swanctl")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: {package})"
    if not os.access("/dev/net/tun", os.R_OK):
        return "there is no /dev/net/tun"
    return networks.missing()


needed = pytest.mark.skipif(bool(missing()), reason=missing() or "they can run")


class Ends:
    """Two namespaces, near and far, with a link between them that has the addresses NEAR and FAR."""

    def __init__(self):
        self.near, self.far = Namespace("near"), Namespace("far")

    def __enter__(self):
        try:
            self.near.__enter__()
            self.far.__enter__()
            self.near.ip("link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", self.far.name)
            for namespace, address in ((self.near, NEAR), (self.far, FAR)):
                namespace.ip("address", "add", f"{address}/24", "dev", LINK)
                namespace.ip("link", "set", LINK, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for namespace in (self.near, self.far):
            namespace.kill_all()
            namespace.__exit__()

    def ping(self, count=3):
        """Whether all echo requests through the tunnel are answered, from near to far."""
        return self.near.within(lambda: echo(INNER[FAR], count)) == count

    def cut(self):
        self.far.ip("link", "set", LINK, "down")

    def mend(self):
        self.far.ip("link", "set", LINK, "up")


def echo_request(number):
    head = bytes([8, 0, 0, 0]) + (0x4242).to_bytes(2, "big") + number.to_bytes(2, "big")
    message = head + PAYLOAD
    total = sum(int.from_bytes(message[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(message), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:2] + (0xFFFF - total).to_bytes(2, "big") + head[4:] + PAYLOAD


def echo(address, count):
    """Sends ICMP echo requests one after the other; how many were answered within a second."""
    answered = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(1)
        for number in range(count):
            with contextlib.suppress(OSError):
                raw.sendto(echo_request(number), (address, 0))
                while True:
                    packet, _ = raw.recvfrom(2048)
                    if packet[20] == 0 and packet[24:26] == b"\x42\x42" and packet[26:28] == number.to_bytes(2, "big"):
                        answered += 1
                        break
    return answered


class Traffic:
    """Echo requests through the tunnel from near, each 20 ms; for `with`. What is lost is known half a second later."""

    PAUSE = 0.02

    def __init__(self, ends, address=INNER[FAR]):
        self.address = address
        self.socket = ends.near.within(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        self.socket.settimeout(0.1)
        self.sent, self.answered = {}, set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._send, self._receive)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def _send(self):
        while not self._stop.is_set():
            number = len(self.sent)
            self.sent[number] = time.monotonic()
            with contextlib.suppress(OSError):
                self.socket.sendto(echo_request(number & 0xFFFF), (self.address, 0))
            time.sleep(self.PAUSE)

    def _receive(self):
        ended = None
        while ended is None or time.monotonic() < ended + 0.5:
            if ended is None and self._stop.is_set():
                ended = time.monotonic()
            with contextlib.suppress(OSError):
                packet, _ = self.socket.recvfrom(2048)
                if packet[20] == 0 and packet[24:26] == b"\x42\x42":
                    self.answered.add(int.from_bytes(packet[26:28], "big"))

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.socket.close()

    @property
    def lost(self):
        """When each request was sent that was not answered, in seconds since the first. To be asked at the end."""
        return [round(at - self.sent[0], 2) for number, at in self.sent.items() if number not in self.answered]


class Wire:
    """What passes over the link at the far end, as whole frames."""

    def __init__(self, ends):
        self.socket = ends.far.within(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0003)))
        self.socket.bind((LINK, 0))
        self.socket.settimeout(0.2)
        self.frames = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.frames.append(self.socket.recv(65536))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.socket.close()

    def esp(self):
        """Frames with ESP, as protocol 50 or in UDP port 4500 (RFC 3948: four octets that are no SPI of zero)."""
        found = 0
        for frame in self.frames:
            packet = frame[14:]
            if frame[12:14] != b"\x08\x00" or len(packet) < 40:
                continue
            header = (packet[0] & 15) * 4
            if packet[9] == 50:
                found += 1
            elif packet[9] == 17:
                ports = packet[header:header + 4]
                if b"\x11\x94" in (ports[:2], ports[2:]) and packet[header + 8:header + 12] != bytes(4):
                    found += 1
        return found

    def has(self, text):
        return any(text in frame for frame in self.frames)


class TunnelAgent(NamespaceAgent):
    """An agent in a namespace, with a charon of its own."""

    def __init__(self, directory, namespace, *options):
        # Debian's AppArmor profile of charon knows sockets of that name only.
        self.charon_directory = pathlib.Path(f"/run/charon.{namespace.name}")
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        super().__init__(directory, namespace, "--charon-directory", self.charon_directory, *options)

    @property
    def charon(self):
        """The process of its charon; nothing while there is none."""
        try:
            process = int((self.charon_directory / "charon.lock").read_text().split()[0])
            os.kill(process, 0)
            return process
        except (OSError, IndexError, ValueError):
            return None

    @property
    def vici(self):
        """The socket of its charon."""
        return self.charon_directory / "charon.vici"

    def secrets(self):
        """The names of the secrets that its charon has loaded."""
        return " ".join(vici.command(self.vici, "get-shared").get("keys", []))

    def swanctl(self, *words):
        """Asks its charon, as an operator may."""
        done = subprocess.run(
            [SWANCTL, *words, "--uri", f"unix://{self.vici}"], capture_output=True, text=True,
            timeout=60)
        assert done.returncode == 0, f"swanctl {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def end(self):
        """Stops the agent, and the charon that it leaves running."""
        if self.program is not None:
            self.stop()
        process = self.charon
        if process is not None:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.charon_directory, ignore_errors=True)


@contextlib.contextmanager
def agent_at(directory, namespace, *options):
    it = TunnelAgent(directory, namespace, *options)
    try:
        yield it.start()
    finally:
        it.end()


def far_agent(tmp_path, ends):
    return agent_at(tmp_path / "far", ends.far)


@contextlib.contextmanager
def far_charon(tmp_path, ends, text="", **options):
    it = PlainCharon(tmp_path, ends.far, INNER[FAR], text, **options)
    try:
        yield it
    finally:
        it.end()


def is_up(ends, agent, charon=None, limit=30):
    """Waits until the tunnel carries packets."""
    def check():
        assert ends.ping(1), agent.program.text()[-3000:] + (charon.text()[-3000:] if charon else "")
        return True

    return eventually(check, limit)


@contextlib.contextmanager
def notifications(agent):
    """A function that waits for the next notification of a kind."""
    with agent.manager() as session:
        session.create_subscription()

        def of(kind, limit=30):
            deadline = time.monotonic() + limit
            while time.monotonic() < deadline:
                one = session.take_notification(timeout=max(deadline - time.monotonic(), 0.1))
                if one is None:
                    break
                found = etree.fromstring(one.notification_xml.encode()).find(f"{{{AGENTD_IPSEC}}}{kind}")
                if found is not None:
                    return found
            raise AssertionError(f"no {kind} within {limit} s\n{agent.program.text()[-2000:]}")

        yield of


class KMEs:
    """Alice's and Bob's key management entity in one process, on ports that stay over restarts."""

    def __init__(self, directory, namespace, address, *options):
        self.directory, self.namespace, self.address, self.options = directory, namespace, address, options
        self.ports = {"A": 0, "B": 0}
        self.program = None

    def start(self):
        self.program = Program(
            [*self.namespace.launcher(), BUILD / "kmesim", "lab", "--a", f"{self.address}:{self.ports['A']}", "--b",
             f"{self.address}:{self.ports['B']}", *self.options], self.directory / "kmesim.log")
        ready = 0
        while ready < 2:
            line = self.program.line()
            if line.get("instance") in self.ports:
                self.ports[line["instance"]] = line["port"]
                ready += 1
        return self

    def stop(self):
        if self.program is not None:
            self.program.stop()
            self.program = None

    def __getitem__(self, instance):
        return self.ports[instance]

    def get(self, instance, path):
        """What an instance answers to a client that is none of our agents, by OpenSSL and HTTP written by hand."""
        request = f"GET {path} HTTP/1.1\r\nHost: kme\r\nConnection: close\r\n\r\n"
        done = subprocess.run(
            [*self.namespace.launcher(), "openssl", "s_client", "-quiet", "-ign_eof", "-psk_identity", "lab", "-psk",
             b"kmesim-lab".hex(), "-connect", f"{self.address}:{self.ports[instance]}"],
            input=request.encode(), capture_output=True, timeout=30)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0], done.stdout + done.stderr
        return json.loads(body)


@contextlib.contextmanager
def kmes(directory, ends, *options):
    it = KMEs(directory, ends.near, NEAR, *options).start()
    try:
        yield it
    finally:
        it.stop()
