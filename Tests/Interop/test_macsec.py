# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""MACsec between two agents: what NETCONF configures protects a real link, and what happens is read back."""

import contextlib
import os
import pathlib
import signal
import socket
import struct
import threading
import time

import pytest
from conftest import BASE, BUILD, SKS, Program, eventually
from lxml import etree
from namespaces import Namespace, NamespaceAgent, missing
from ncclient.operations.rpc import RPCError

MACSEC = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-macsec-cfg"
KEY_CHAIN = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-key-chain-cfg"
INTERFACE = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-interface-cfg"
ADDRESS = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-if-ip-address-cfg"
MKA_OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-crypto-macsec-mka-oper"
SECY_OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-crypto-macsec-secy-oper"
CHAIN_OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-lib-keychain-oper"
AGENTD = "urn:agentd:yang:agentd-macsec"
MAPPING = "urn:agentd:yang:agentd-interfaces"
XR = "HundredGigE0/1/0/10"
CAK = "0123456789abcdef" * 4
OTHER_CAK = "fedcba9876543210" * 4
# What pings carry.
PATTERN = b"content of a ping that is secret."[:32]


def unable():
    """Why it cannot run here; empty when it can."""
    if missing():
        return missing()
    return "" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "there is no /dev/net/tun"


pytestmark = pytest.mark.skipif(bool(unable()), reason=unable())


# Configuration


def chain(name, *keys):
    entries = "".join(
        f"<key><ckn>{ckn}</ckn><key-string><password>!{cak}</password>"
        "<cryptographic-algorithm>aes-256-cmac</cryptographic-algorithm></key-string>"
        "<lifetime><start-time><hour>5</hour><minute>0</minute><second>0</second><month>january</month>"
        "<day-of-month>1</day-of-month><year>2015</year></start-time><infinite/></lifetime></key>"
        for ckn, cak in keys
    )
    return (
        f'<key xmlns="{KEY_CHAIN}"><chains><chain><key-chain-name>{name}</key-chain-name>'
        f"<macsec><keys>{entries}</keys></macsec></chain></chains></key>"
    )


def policy(name, content="", service="", lifetime=""):
    more = f'<key-service xmlns="{AGENTD}">{service}</key-service>' if service else ""
    more += f'<key-lifetime xmlns="{AGENTD}">{lifetime}</key-lifetime>' if lifetime else ""
    return (
        f'<macsec-policy xmlns="{MACSEC}"><policy-names><policy-name><policy-name>{name}</policy-name>{content}{more}'
        "</policy-name></policy-names></macsec-policy>"
    )


def profile(name, port):
    return (
        f'<sks-server xmlns="{SKS}"><profiles><profile><profile-name>{name}</profile-name><type><remote><kme>'
        f"<server><ipv4>127.0.0.1</ipv4><port>{port}</port></server><psk><id>lab</id><key><seven>!kmesim-lab</seven>"
        "</key></psk></kme></remote></type></profile></profiles></sks-server>"
    )


def interface(address, keychain="mac_chain", fallback="", policy_name=""):
    fallback = f"<fallback-psk-keychain>{fallback}</fallback-psk-keychain>" if fallback else ""
    named = f"<policy>{policy_name}</policy>" if policy_name else ""
    return (
        f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>{XR}</interface-name>'
        f'<ipv4><addresses xmlns="{ADDRESS}"><address><address>{address}</address><netmask>255.255.255.0</netmask>'
        f'</address></addresses></ipv4><macsec xmlns="{MACSEC}"><psk-keychain><keychain-name>{keychain}</keychain-name>'
        f"{fallback}{named}</psk-keychain></macsec></interface></interfaces>"
    )


def mapping(link):
    return (
        f'<interfaces-mapping xmlns="{MAPPING}"><interface-mapping><xr-name>{XR}</xr-name>'
        f"<linux-name>{link}</linux-name></interface-mapping></interfaces-mapping>"
    )


def commit(session, *parts):
    # Key chains that were written one by one are in one container.
    body = "".join(parts).replace(f'</chains></key><key xmlns="{KEY_CHAIN}"><chains>', "")
    session.edit_config(target="candidate", config=f'<config xmlns="{BASE}" xmlns:nc="{BASE}">{body}</config>')
    try:
        session.commit()
    except RPCError:
        session.discard_changes()
        raise


# State


def read(session, filter_text):
    return etree.fromstring(session.get(("subtree", filter_text)).data_xml.encode())


def mka(session):
    """The interface's entry of mka-oper; None while there is none."""
    tree = read(
        session,
        f'<macsec xmlns="{MKA_OPER}"><mka><interfaces><interface><name>{XR}</name></interface></interfaces></mka>'
        "</macsec>",
    )
    return next(tree.iter(f"{{{MKA_OPER}}}interface"), None)


def secy(session):
    tree = read(session, f'<macsec xmlns="{SECY_OPER}"><secy/></macsec>')
    return next(tree.iter(f"{{{SECY_OPER}}}interface"), None)


def port(session):
    tree = read(session, f'<macsec-state xmlns="{AGENTD}"/>')
    return next(tree.iter(f"{{{AGENTD}}}port"), None)


def leaf(entry, path):
    return entry.findtext("/".join(f"{{*}}{step}" for step in path.split("/")))


def latest_key(session):
    entry = mka(session)
    return None if entry is None else leaf(entry, "session/vp/latest-ki")


class Side:
    """One router: a namespace, its end of the wire, an agent."""

    def __init__(self, namespace, link, address, directory):
        self.namespace, self.link, self.address = namespace, link, address
        directory.mkdir()
        self.agent = NamespaceAgent(directory, namespace, "--charon", "none")
        self.controlled = f"ms-{link}"

    def manager(self):
        return self.agent.manager("iosxr")

    def is_secured(self, session):
        entry = port(session)
        assert entry is not None and leaf(entry, "is-secured") == "true", (
            None if entry is None else leaf(entry, "reason"), self.agent.program.text()[-2000:])
        return True

    def secyds(self):
        """The processes that protect frames here."""
        found = []
        for status in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = status.read_bytes().split(b"\0")
                if words[0].endswith(b"/secyd") and str(self.agent.data).encode() in b" ".join(words):
                    found.append(int(status.parent.name))
        return found


class Wire:
    """Everything that is on the link between the two, as whole frames."""

    def __init__(self, side):
        self.socket = side.namespace.within(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)))
        self.socket.bind((side.link, 0))
        self.socket.settimeout(0.1)
        self.frames = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.frames.append(self.socket.recv(65536))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.socket.close()

    def types(self):
        return {frame[12:14].hex() for frame in self.frames}


class Ping:
    """A flow of echo requests from one host to an address, until it is ended; how many were lost is known then."""

    def __init__(self, side, address, interval=0.02):
        self.address, self.interval = address, interval
        self.sent = {}
        self.answered = {}
        self.identifier = struct.pack("!H", threading.get_native_id() & 0xFFFF)
        self.socket = side.namespace.within(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        self.socket.settimeout(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _send(self, number):
        body = self.identifier + struct.pack("!H", number) + PATTERN * 12
        total = 0x0800 + sum(struct.unpack(f"!{len(body) // 2}H", body))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        with contextlib.suppress(OSError):
            self.socket.sendto(struct.pack("!BBH", 8, 0, ~total & 0xFFFF) + body, (self.address, 0))
        self.sent[number] = time.monotonic()

    def _take(self):
        with contextlib.suppress(OSError):
            while True:
                packet = self.socket.recv(2048)
                if packet[20] == 0 and packet[24:26] == self.identifier:
                    self.answered[struct.unpack("!H", packet[26:28])[0]] = time.monotonic()

    def _run(self):
        due = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() >= due:
                self._send(len(self.sent))
                due += self.interval
            self._take()
            time.sleep(0.001)
        end = time.monotonic() + 1
        while time.monotonic() < end and len(self.answered) < len(self.sent):
            self._take()
            time.sleep(0.01)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.socket.close()

    def end(self):
        """Sent and lost."""
        self._stop.set()
        self._thread.join()
        return len(self.sent), len(self.sent) - len(self.answered)

    def gaps(self):
        """When the lost ones were sent, in seconds since the first."""
        return [round(self.sent[n] - self.sent[0], 2) for n in self.sent if n not in self.answered]


class Flow:
    """Datagrams of 1,400 octets from one host to another in a steady stream, as iperf sends them; some may be lost."""

    def __init__(self, source, sink, rate=400):
        self.target, self.interval = (sink.address, 5001), 1 / rate
        self.sent, self.received = 0, set()
        self.out = source.namespace.within(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.into = sink.namespace.within(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.into.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.into.bind(("0.0.0.0", 5001))
        self.into.settimeout(0.2)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._take)]

    def _send(self):
        due = time.monotonic()
        while not self._stop.is_set():
            self.out.sendto(struct.pack("!Q", self.sent) + bytes(1392), self.target)
            self.sent += 1
            due += self.interval
            time.sleep(max(0, due - time.monotonic()))

    def _take(self):
        quiet = 0
        while not self._stop.is_set() or quiet < 3:
            try:
                self.received.add(struct.unpack("!Q", self.into.recv(2048)[:8])[0])
                quiet = 0
            except TimeoutError:
                quiet += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()
        self.out.close()
        self.into.close()

    def end(self):
        """Sent and lost."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.sent, self.sent - len(self.received)


def ping(side, address, count=3):
    """Whether one of some requests is answered within a second."""
    with Ping(side, address, 0.05) as flow:
        time.sleep(0.05 * count)
        sent, lost = flow.end()
    return lost < sent


@pytest.fixture
def lab(tmp_path):
    """Two routers on a wire."""
    with Namespace("macsec-a") as first, Namespace("macsec-b") as second:
        first.ip("link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", second.name)
        for namespace, link in ((first, "va"), (second, "vb")):
            namespace.ip("link", "set", link, "up")
        sides = (
            Side(first, "va", "192.0.2.1", tmp_path / "a"), Side(second, "vb", "192.0.2.2", tmp_path / "b"))
        try:
            for side in sides:
                side.agent.start()
            yield sides
        finally:
            for side in sides:
                if side.agent.program is not None:
                    side.agent.stop()
                for process in side.secyds():
                    with contextlib.suppress(OSError):
                        os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def kmes(sides, directory):
    """Each router's own KME, of one network; their ports and programs."""
    network, secret = directory / "network", directory / "psk"
    secret.write_text(b"kmesim-lab".hex())
    programs = []
    try:
        ports = []
        for side, name, other, role in (
            (sides[0], "Alice", "Bob", "--network-listen"), (sides[1], "Bob", "Alice", "--network-join")):
            program = Program(
                [*side.namespace.launcher(), BUILD / "kmesim", "serve", "--local-id", name, "--remote-id", other,
                 "--psk-id", "lab", "--psk-key-file", secret, role, network], directory / f"{name}.log")
            programs.append(program)
            ports.append(program.line()["port"])
        yield ports, programs
    finally:
        for program in programs:
            program.stop()


def secure(sides, sessions, *parts, limit=40, **options):
    """Configures both and waits until both are secured."""
    for side, session in zip(sides, sessions):
        mine = [part[sides.index(side)] if isinstance(part, tuple) else part for part in parts]
        commit(session, mapping(side.link), *mine, interface(side.address, **options))
    for side, session in zip(sides, sessions):
        eventually(lambda: side.is_secured(session), limit)


@pytest.fixture
def sessions(lab):
    with lab[0].manager() as first, lab[1].manager() as second:
        yield first, second


def test_the_guides_configuration_protects_the_link(lab, sessions):
    """Key chain, policy and interface as the published guide writes them, with a fallback key."""
    guide = policy(
        "mac_policy",
        "<key-server-priority>0</key-server-priority><cipher-suite>GCM-AES-XPN-256</cipher-suite>"
        "<window-size>64</window-size><conf-offset>CONF-OFFSET-30</conf-offset>"
        "<security-policy>must-secure</security-policy><include-icv-indicator/>",
    )
    secure(
        lab, sessions, chain("mac_chain", ("1234abcd5678", CAK)), chain("fallback_mac_chain", ("abcd", OTHER_CAK)),
        guide, fallback="fallback_mac_chain", policy_name="mac_policy")
    for side in lab:
        eventually(lambda: side.namespace.addresses(side.controlled) == [f"{side.address}/24"])
    with Wire(lab[1]) as wire:
        eventually(lambda: ping(lab[0], lab[1].address))
        before = int(leaf(secy(sessions[0]), "stats/tx-sc-stats/out-pkts-encrypted"))
        with Ping(lab[0], lab[1].address) as flow:
            time.sleep(2)
            sent, lost = flow.end()
        assert sent > 50 and lost == 0
    # On the wire there is nothing but MKA and protected frames, and no content of a ping.
    assert wire.types() == {"888e", "88e5"}, wire.types()
    assert not any(PATTERN in frame for frame in wire.frames)
    assert sum(frame[12:14] == b"\x88\xe5" for frame in wire.frames) >= 2 * sent
    # What is shown.
    entry = mka(sessions[0])
    assert leaf(entry, "session/session-summary/policy") == "mac_policy"
    assert leaf(entry, "session/session-summary/confidentiality-offset") == "30"
    assert leaf(entry, "session/vp/macsec-cipher-suite") == "cipher-suite-gcm-aes-256-xpn"
    assert leaf(entry, "session/ca/status") == "Secured"
    assert leaf(entry, "session/ca/ckn") == "1234ABCD5678"
    assert leaf(entry, "session/ca/num-live-peers") == "1"
    assert leaf(entry, "session/vp/fallback-keepalive/ckn") == "ABCD"
    assert leaf(entry, "info/traffic-status") == "protected"
    assert leaf(entry, "info/secy-intf/controlled-interface-name") == "ms-va"
    servers = [leaf(mka(session), "session/ca/is-key-server") for session in sessions]
    assert sorted(servers) == ["false", "true"]
    counters = secy(sessions[0])
    assert int(leaf(counters, "stats/tx-sc-stats/out-pkts-encrypted")) >= before + sent
    assert int(leaf(counters, "stats/rx-sc-stats/in-pkts-ok")) >= sent
    assert int(leaf(counters, "stats/tx-sc-stats/txsa-stat/next-pn")) > sent
    tree = read(sessions[0], f'<macsec xmlns="{MKA_OPER}"><policies/></macsec>')
    assert tree.findtext(f".//{{{MKA_OPER}}}conf-offset") == "30"
    tree = read(sessions[0], f'<keychain xmlns="{CHAIN_OPER}"/>')
    assert tree.findtext(f".//{{{CHAIN_OPER}}}is-valid-now") == "true"
    assert CAK not in etree.tostring(tree).decode()
    # Frames in clear neither get in nor out under must-secure.
    lab[0].namespace.ip("address", "add", "198.51.100.1/24", "dev", "va")
    lab[1].namespace.ip("address", "add", "198.51.100.2/24", "dev", "vb")
    with Wire(lab[1]) as wire:
        assert not ping(lab[0], "198.51.100.2")
    assert wire.types() <= {"888e", "88e5"}
    # It all goes again.
    for side, session in zip(lab, sessions):
        commit(session, f'<interfaces xmlns="{INTERFACE}" nc:operation="delete"/>')
        eventually(lambda: side.namespace.link(side.controlled) is None)
    eventually(lambda: ping(lab[0], "198.51.100.2"))
    assert not lab[0].secyds() and not lab[1].secyds()


def test_what_cannot_be_is_refused_with_its_place(lab, sessions):
    session = sessions[0]
    with pytest.raises(RPCError) as caught:
        commit(session, interface("192.0.2.1", keychain="nothing"))
    assert "there is no key chain nothing" in caught.value.message
    assert "keychain-name" in caught.value.path
    with pytest.raises(RPCError) as caught:
        commit(session, chain("odd", ("123", CAK)))
    assert "even number" in caught.value.message and CAK not in caught.value.message
    with pytest.raises(RPCError) as caught:
        commit(session, policy("p", "<enable-fault-detection/>"))
    assert "enable-fault-detection" in caught.value.path
    # As routers do it, if asked for.
    warn = ('<agent-settings xmlns="urn:agentd:yang:agentd-system"><reference-check>warn</reference-check>'
            "</agent-settings>")
    commit(session, warn, mapping("va"), interface("192.0.2.1", keychain="later"))
    eventually(lambda: leaf(port(session), "reason") == "there is no key chain later")


def test_keys_of_the_key_service_roll_over_without_loss(lab, sessions, tmp_path):
    """PPK mode: the guide's configuration, two KMEs, a rollover each ten seconds under a running ping."""
    with kmes(lab, tmp_path) as (ports, programs):
        secure(
            lab, sessions, chain("mac_chain", ("1234abcd5678", CAK)),
            (profile("R1toR2", ports[0]), profile("R2toR1", ports[1])),
            tuple(
                policy(
                    "ppk", "<key-server-priority>0</key-server-priority><cipher-suite>GCM-AES-XPN-256</cipher-suite>"
                    "<window-size>64</window-size><conf-offset>CONF-OFFSET-30</conf-offset>"
                    "<security-policy>must-secure</security-policy>"
                    f"<ppk><sks-profile>{name}</sks-profile></ppk>",
                    service="<request-timeout>5</request-timeout><retry-interval>2</retry-interval>",
                    lifetime="<refresh-interval>10</refresh-interval><maximum-age>45</maximum-age>"
                    "<alarm-threshold>50</alarm-threshold>")
                for name in ("R1toR2", "R2toR1")),
            policy_name="ppk")
        eventually(lambda: ping(lab[0], lab[1].address))
        for session in sessions:
            entry = port(session)
            assert leaf(entry, "key-service/is-in-use") == "true"
            assert leaf(mka(session), "session/vp/sak-gen-mode") == "PPK"
        keys = {latest_key(sessions[0])}
        with Wire(lab[1]) as wire, Ping(lab[0], lab[1].address) as flow, Flow(lab[1], lab[0]) as stream:
            deadline = time.monotonic() + 33
            while time.monotonic() < deadline:
                keys.add(latest_key(sessions[0]))
                time.sleep(0.5)
            sent, lost = flow.end()
            streamed, missed = stream.end()
        assert len(keys) >= 3, keys
        assert sent > 1000 and lost == 0, (sent, lost, flow.gaps())
        assert streamed > 5000 and missed == 0, (streamed, missed)
        assert wire.types() == {"888e", "88e5"}, wire.types()
        server = sessions[0] if leaf(mka(sessions[0]), "session/ca/is-key-server") == "true" else sessions[1]
        peer = sessions[1] if server is sessions[0] else sessions[0]
        counters = secy(sessions[0])
        assert int(leaf(counters, "stats/tx-sc-stats/out-pkts-encrypted")) > sent
        assert int(leaf(counters, "stats/rx-sc-stats/in-pkts-ok")) > streamed
        generated = int(leaf(mka(server), "statistics/ca-stat/key-derivation-stats/ppk-tuple-generated"))
        assert generated >= 3
        assert int(leaf(mka(peer), "statistics/ca-stat/key-derivation-stats/ppk-retrieved")) >= generated - 1
        # The policy is a client of its profile.
        oper = "http://cisco.com/ns/yang/Cisco-IOS-XR-sks-server-oper"
        assert read(server, f'<sks xmlns="{oper}"/>').findtext(f".//{{{oper}}}num-of-clients-registered") in ("1", None)
        # The KMEs go: the key in use serves on, then is exhausted, and the port is blocked.
        for program in programs:
            program.stop()
        failures = "statistics/idb-stats/failure-stats/ppk-failure"
        eventually(lambda: any(
            int(leaf(mka(server), f"{failures}/{kind}")) > 0 for kind in ("ppk-aipc-conn-down", "ppk-req-timeout")), 40)
        assert ping(lab[0], lab[1].address), "single failures have no effect"
        eventually(lambda: leaf(port(server), "key-service/is-stalled") == "true", 60)
        assert not ping(lab[0], lab[1].address)
        assert leaf(port(server), "reason")


def test_another_key_on_one_side_is_bridged_by_the_fallback(lab, sessions):
    fallback = chain("fallback", ("ffff", OTHER_CAK))
    secure(
        lab, sessions, (chain("mac_chain", ("1000", CAK)), chain("mac_chain", ("1000", CAK[::-1]))), fallback,
        fallback="fallback")
    eventually(lambda: ping(lab[0], lab[1].address))
    entry = mka(sessions[0])
    assert leaf(entry, "info/auth-info/principal-actor") == "fallback"
    assert int(leaf(entry, "statistics/idb-stats/mkpdu-stats/rx-icv-validation-fail")) > 0
    assert leaf(entry, "session/session-summary/policy") == "*DEFAULT POLICY*"
    log = lab[0].agent.program.text()
    assert f"%L2-MKA-5-SESSION_SECURED_WITH_FALLBACK_PSK : ({XR}) MKA session secured, CKN:FFFF" in log
    assert "%L2-MKA-3-MKPDU_ICV_FAILURE" in log and CAK not in log
    # The right key again: back to the primary without a loss.
    with Ping(lab[0], lab[1].address) as flow:
        time.sleep(0.5)
        commit(sessions[1], chain("mac_chain", ("1000", CAK)))
        eventually(lambda: leaf(mka(sessions[0]), "info/auth-info/principal-actor") == "primary", 30)
        eventually(lambda: leaf(mka(sessions[1]), "info/auth-info/principal-actor") == "primary", 30)
        time.sleep(1)
        sent, lost = flow.end()
    assert lost == 0, (sent, lost, flow.gaps())


# How long an agent may be away: the MKA life time, less a hello that may just have been missed.
AWAY = 4


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_agent_comes_back_as_the_same_member(lab, sessions, victim):
    secure(lab, sessions, chain("mac_chain", ("1000", CAK)))
    side = lab[victim]
    for _ in range(4):
        eventually(lambda: ping(lab[0], lab[1].address))
        with side.manager() as session:
            eventually(lambda: side.is_secured(session), 40)
            before = mka(session)
            resumed = int(leaf(port(session), "restarts/resumed"))
        with Ping(lab[1 - victim], side.address) as flow:
            time.sleep(1)
            away = time.monotonic()
            side.agent.stop(signal.SIGKILL)
            side.agent.start()
            away = time.monotonic() - away
            with side.manager() as session:
                eventually(lambda: side.is_secured(session), 40)
                after = mka(session)
                time.sleep(8)
                side.is_secured(session)
                restarts = port(session)
            sent, lost = flow.end()
        # On a machine that is too busy to start the agent in time nothing can be said.
        if away < AWAY:
            break
    else:
        pytest.skip(f"the agent does not start within {AWAY} s here")
    assert int(leaf(restarts, "restarts/resumed")) == resumed + 1, etree.tostring(restarts).decode()
    assert leaf(after, "session/ca/my-mi") == leaf(before, "session/ca/my-mi")
    assert leaf(after, "session/vp/latest-ki") == leaf(before, "session/vp/latest-ki")
    assert int(leaf(after, "session/ca/my-mn")) > int(leaf(before, "session/ca/my-mn"))
    assert sent > 100 and lost == 0, (sent, lost, flow.gaps())
    # Back too late, it is a new member, and says so.
    renewed = int(leaf(restarts, "restarts/renewed"))
    side.agent.stop(signal.SIGKILL)
    time.sleep(8)
    side.agent.start()
    with side.manager() as session:
        eventually(lambda: side.is_secured(session), 30)
        assert int(leaf(port(session), "restarts/renewed")) == renewed + 1
        assert leaf(mka(session), "session/ca/my-mi") != leaf(before, "session/ca/my-mi")
    eventually(lambda: ping(lab[0], lab[1].address))


def test_a_data_plane_that_dies_is_made_anew(lab, sessions):
    secure(lab, sessions, chain("mac_chain", ("1000", CAK)))
    eventually(lambda: ping(lab[0], lab[1].address))
    victims = lab[0].secyds()
    if not victims:
        pytest.skip("this kernel has MACsec: there is no process to kill")
    key = latest_key(sessions[0])
    for process in victims:
        os.kill(process, signal.SIGKILL)
    eventually(lambda: latest_key(sessions[0]) not in (None, key), 40)
    eventually(lambda: lab[0].is_secured(sessions[0]), 40)
    eventually(lambda: ping(lab[0], lab[1].address), 20)


def test_should_secure_passes_frames_in_clear_until_the_peer_follows(lab, sessions):
    should = policy("should", "<security-policy>should-secure</security-policy>")
    body = [chain("mac_chain", ("1000", CAK)), should]
    lab[1].namespace.ip("address", "add", f"{lab[1].address}/24", "dev", "vb")
    commit(sessions[0], mapping("va"), *body, interface(lab[0].address, policy_name="should"))
    eventually(lambda: lab[0].namespace.addresses(lab[0].controlled) == [f"{lab[0].address}/24"])
    with Wire(lab[1]) as wire:
        eventually(lambda: ping(lab[0], lab[1].address))
    assert "0800" in wire.types() and "88e5" not in wire.types()
    assert leaf(mka(sessions[0]), "info/traffic-status") == "unprotected"
    assert leaf(port(sessions[0]), "reason") == "no peer has been heard"
    # The other end follows: from then on all is protected.
    lab[1].namespace.ip("address", "flush", "dev", "vb")
    commit(sessions[1], mapping("vb"), *body, interface(lab[1].address, policy_name="should"))
    for side, session in zip(lab, sessions):
        eventually(lambda: side.is_secured(session), 40)
    eventually(lambda: ping(lab[0], lab[1].address))
    with Wire(lab[1]) as wire:
        assert ping(lab[0], lab[1].address)
    assert wire.types() <= {"888e", "88e5"}, wire.types()
    # The other end leaves: in clear again, after the MKA life time.
    commit(sessions[1], f'<interfaces xmlns="{INTERFACE}" nc:operation="delete"/>')
    eventually(lambda: lab[1].namespace.link(lab[1].controlled) is None)
    lab[1].namespace.ip("address", "add", f"{lab[1].address}/24", "dev", "vb")
    eventually(lambda: leaf(mka(sessions[0]), "info/traffic-status") == "unprotected", 30)
    eventually(lambda: ping(lab[0], lab[1].address))


def test_events_reach_subscribers(lab, sessions):
    with lab[0].agent.manager() as subscriber:
        subscriber.create_subscription()
        secure(lab, sessions, chain("mac_chain", ("1000", CAK)))
        events = {}
        deadline = time.monotonic() + 20
        while "SESSION_SECURED" not in events and time.monotonic() < deadline:
            notification = subscriber.take_notification(timeout=5)
            if notification is None:
                continue
            event = etree.fromstring(notification.notification_xml.encode()).find(f"{{{AGENTD}}}mka-event")
            if event is not None:
                events[leaf(event, "event")] = event
    assert {"SESSION_START", "MKPDU_ICV_SUCCESS", "SESSION_SECURED"} <= set(events), set(events)
    secured = events["SESSION_SECURED"]
    assert leaf(secured, "interface-name") == XR and leaf(secured, "ckn") == "1000"
    assert leaf(secured, "severity") == "notice"
    assert leaf(secured, "message") == f"%L2-MKA-5-SESSION_SECURED : ({XR}) MKA session secured, CKN:1000"
    assert leaf(events["MKPDU_ICV_SUCCESS"], "peer-sci").endswith("/0001")
