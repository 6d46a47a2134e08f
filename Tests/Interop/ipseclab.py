# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Two ends of a tunnel in network namespaces: agents with charons of their own, and charons configured by hand."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

from conftest import BUILD, YANG, Agent, Program

IKEV2 = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-ikev2-cfg"
IPSEC = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-ipsec-cfg"
INTERFACE = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-interface-cfg"
TUNNEL = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-if-tunnel-cfg"
IP_ADDRESS = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-if-ip-address-cfg"
AGENTD_IPSEC = "urn:agentd:yang:agentd-ipsec"
CHARON = "/usr/sbin/charon-systemd"
NEAR, FAR = "192.0.2.1", "192.0.2.2"
PLUGINS = ("random nonce openssl aes sha1 sha2 hmac kdf gmp x509 revocation constraints pubkey pkcs1 pkcs7 pkcs8 pem "
           "drbg gcm kernel-libipsec kernel-netlink socket-default vici counters")
INNER = {NEAR: "172.16.0.1", FAR: "172.16.0.2"}
TUN = "ipsec0"


def missing():
    """Why these tests cannot run here; an empty text when they can."""
    if os.geteuid() != 0:
        return "they need root, for network namespaces"
    for program in (CHARON, "/usr/sbin/swanctl", "/usr/sbin/ip", "/usr/bin/ping"):
        if shutil.which(program) is None and program != "/usr/bin/ping":
            return f"{program} is not installed"
    if not os.access("/dev/net/tun", os.R_OK):
        return "there is no /dev/net/tun"
    return ""


def ip(*words, check=True):
    done = subprocess.run(["/usr/sbin/ip", *map(str, words)], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"ip {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def within(namespace, call):
    """Calls in another network namespace, on a thread that goes there and ends."""
    result = {}

    def run():
        try:
            with open(f"/run/netns/{namespace}") as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result["value"] = call()
        except BaseException as error:  # noqa: B902 — handed to the caller
            result["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in result:
        raise result["error"]
    return result["value"]


class Namespaces:
    """near and far with a link between them, NEAR and FAR."""

    def __init__(self):
        tag = f"{os.getpid() % 10000}{int(time.monotonic() * 1000) % 10000}"
        self.near, self.far = f"agentd-n{tag}", f"agentd-f{tag}"
        self.links = {self.near: f"n{tag}", self.far: f"f{tag}"}
        ip("netns", "add", self.near)
        ip("netns", "add", self.far)
        ip("link", "add", self.links[self.near], "netns", self.near, "type", "veth", "peer", "name",
           self.links[self.far], "netns", self.far)
        for name, address in ((self.near, NEAR), (self.far, FAR)):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "address", "add", f"{address}/24", "dev", self.links[name])
            ip("-n", name, "link", "set", self.links[name], "up")

    def remove(self):
        for name in (self.near, self.far):
            for process in ip("netns", "pids", name, check=False).split():
                # Whatever a failed test left in a namespace of ours.
                with contextlib.suppress(OSError):
                    os.kill(int(process), signal.SIGKILL)
            ip("netns", "delete", name, check=False)

    def ping(self, count=3, source=None):
        """Whether all echo requests through the tunnel are answered, from near to far."""
        return within(self.near, lambda: echo(INNER[FAR], count))

    def cut(self):
        ip("-n", self.far, "link", "set", self.links[self.far], "down")

    def mend(self):
        ip("-n", self.far, "link", "set", self.links[self.far], "up")


def echo(address, count, pause=0.0, payload=b"clear text of a ping " * 2):
    """Sends ICMP echo requests; how many were answered is compared with how many were sent."""
    answered = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(1)
        for number in range(count):
            head = bytes([8, 0, 0, 0]) + (0x4242).to_bytes(2, "big") + number.to_bytes(2, "big")
            message = head + payload
            total = sum(int.from_bytes(message[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(message), 2))
            while total > 0xFFFF:
                total = (total & 0xFFFF) + (total >> 16)
            message = head[:2] + (0xFFFF - total).to_bytes(2, "big") + head[4:] + payload
            try:
                raw.sendto(message, (address, 0))
                while True:
                    packet, _ = raw.recvfrom(2048)
                    if packet[20] == 0 and packet[24:28] == head[4:8]:
                        answered += 1
                        break
            except OSError:
                pass
            if pause:
                time.sleep(pause)
    return answered == count


class Wire:
    """What passes over the link at the far end, as whole frames."""

    def __init__(self, namespaces):
        name = namespaces.links[namespaces.far]
        self.socket = within(
            namespaces.far, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0003)))
        self.socket.bind((name, 0))
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


class NamespaceAgent(Agent):
    """An agent in a namespace, reached through a socket that is made there."""

    def __init__(self, directory, namespace):
        self.namespace = namespace
        self.charon_directory = pathlib.Path(f"/run/charon.{namespace}")
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        super().__init__(directory)

    def start(self, *extra):
        self.program = Program(
            ["/usr/sbin/ip", "netns", "exec", self.namespace, BUILD / "agentd", "run", "--data-directory", self.data,
             "--yang", YANG, "--listen", "127.0.0.1:0", "--charon-directory", self.charon_directory, *extra],
            self.directory / "agentd.log",
        )
        self.port = self.program.line()["netconf"][0]["port"]
        return self

    @contextlib.contextmanager
    def manager(self, device="default", **options):
        def connect():
            return socket.create_connection(("127.0.0.1", self.port), timeout=30)

        with within(self.namespace, connect) as link:
            with super().manager(device, sock_fd=os.dup(link.fileno()), **options) as session:
                yield session

    @property
    def charon(self):
        """The process of its charon; nothing while there is none."""
        try:
            process = int((self.charon_directory / "charon.lock").read_text().split()[0])
            os.kill(process, 0)
            return process
        except (OSError, IndexError, ValueError):
            return None

    def end(self):
        """Stops the agent, and the charon that it leaves running."""
        if self.program is not None:
            self.stop()
        process = self.charon
        if process is not None:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.charon_directory, ignore_errors=True)


class PlainCharon:
    """A charon that swanctl configures, as an administrator would who does not have our agent."""

    def __init__(self, directory, namespace, inner, configuration):
        self.namespace = namespace
        self.directory = pathlib.Path(directory) / "plain"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket = f"/run/charon.plain-{namespace}.vici"
        self.inner = inner
        self.log = self.directory / "charon.log"
        (self.directory / "strongswan.conf").write_text(f"""
charon {{
  load = {PLUGINS}
  routing_table_prio = 40000
  install_routes = no
  retransmit_tries = 2
  retransmit_timeout = 1
  filelog {{ l {{ path = {self.log}
    default = 1
    flush_line = yes }} }}
  plugins {{ vici {{ socket = unix://{self.socket} }} }}
}}
charon-systemd {{ journal {{ default = -1 }} }}
""")
        self.process = subprocess.Popen(
            ["/usr/sbin/ip", "netns", "exec", namespace, CHARON],
            env={**os.environ, "STRONGSWAN_CONF": str(self.directory / "strongswan.conf")},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self._until(lambda: os.path.exists(self.socket), "charon's socket")
        self._until(lambda: TUN in ip("-n", namespace, "-o", "link"), TUN)
        ip("-n", namespace, "address", "add", f"{inner}/30", "dev", TUN)
        ip("-n", namespace, "link", "set", TUN, "up")
        self.load(configuration)

    @staticmethod
    def _until(check, what):
        deadline = time.monotonic() + 15
        while not check():
            assert time.monotonic() < deadline, f"{what} did not come"
            time.sleep(0.05)

    def load(self, configuration):
        file = self.directory / "swanctl.conf"
        file.write_text(configuration)
        self.swanctl("--load-all", "--file", str(file))

    def swanctl(self, *words, check=True):
        done = subprocess.run(
            ["/usr/sbin/swanctl", *words, "--uri", f"unix://{self.socket}"], capture_output=True, text=True,
            env={**os.environ, "SWANCTL_DIR": str(self.directory)}, timeout=60,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"swanctl {words}: {done.stdout}{done.stderr}")
        return done.stdout

    def sas(self):
        return self.swanctl("--list-sas", "--raw")

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        with contextlib.suppress(OSError):
            os.unlink(self.socket)
