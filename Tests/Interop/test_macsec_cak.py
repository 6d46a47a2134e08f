# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""CAK mode: keys of the key service as CAKs, their identifiers by LLDP; between agents, and with standard MKA only."""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from conftest import BUILD, ROOT, Program, eventually
from namespaces import Namespace
from test_macsec import (
    CAK, Flow, Ping, Side, Wire, chain, commit, interface, kmes, lab, leaf, mapping, mka, ping, policy, port, profile,
    secure, sessions, unable,
)

__all__ = ["lab", "sessions"]

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable())

ORGANIZATION = bytes.fromhex("0a6764")
CAPABILITY, OFFER, ANSWER = 16, 17, 18


def cak_policy(name, extra="", refresh=10, more_lifetime=""):
    return policy(
        "cak", f"<ppk><sks-profile>{name}</sks-profile></ppk>",
        service=f"<mode>cak</mode><request-timeout>5</request-timeout><retry-interval>2</retry-interval>{extra}",
        lifetime=f"<refresh-interval>{refresh}</refresh-interval>{more_lifetime}")


def elements(frame):
    """The elements of an LLDP frame, each with its type and value, up to its end; anything else is an error."""
    assert frame[12:14] == b"\x88\xcc" and frame[:6] == bytes.fromhex("0180c200000e")
    body, found = frame[14:], []
    while True:
        header = int.from_bytes(body[:2], "big")
        kind, length = header >> 9, header & 0x1FF
        assert len(body) >= 2 + length
        if kind == 0:
            assert not any(body[2:])
            return found
        found.append((kind, body[2:2 + length]))
        body = body[2 + length:]


def offers(frames):
    """The identifiers of keys that LLDP frames offer, in order and once each."""
    result = []
    for frame in frames:
        if frame[12:14] != b"\x88\xcc":
            continue
        for kind, value in elements(frame):
            if kind == 127 and value[:4] == ORGANIZATION + bytes([OFFER]) and value[6:] not in result:
                assert value[4] == 1 and value[5] == 32
                result.append(value[6:])
    return result


def keys_in_use(session):
    entry = port(session)
    if entry is None:
        return []
    return [leaf(key, "ckn") for key in entry.iterfind("{*}key-service/{*}cak-exchange/{*}key")
            if leaf(key, "in-use-since")]


def test_keys_roll_over_without_loss(lab, sessions, tmp_path):
    with kmes(lab, tmp_path) as (ports, programs):
        with Wire(lab[1]) as beginning:
            secure(
                lab, sessions, chain("mac_chain", ("1234abcd5678", CAK)),
                (profile("R1toR2", ports[0]), profile("R2toR1", ports[1])),
                tuple(
                    cak_policy(
                        name, more_lifetime="<maximum-age>45</maximum-age><alarm-threshold>50</alarm-threshold>")
                    for name in ("R1toR2", "R2toR1")),
                policy_name="cak")
            eventually(lambda: ping(lab[0], lab[1].address))
        for session in sessions:
            assert leaf(port(session), "key-service/is-in-use") == "true"
            assert leaf(mka(session), "session/vp/sak-gen-mode") == "SAK"
            assert leaf(mka(session), "session/ca/ckn") != "1234ABCD5678"
        duties = sorted(leaf(port(session), "key-service/cak-exchange/duty") for session in sessions)
        assert duties == ["fetcher", "taker"], duties
        seen = set()
        with Wire(lab[1]) as wire, Ping(lab[0], lab[1].address) as flow, Flow(lab[1], lab[0]) as stream:
            deadline = time.monotonic() + 36
            while time.monotonic() < deadline:
                seen.update(keys_in_use(sessions[0]))
                time.sleep(0.5)
            sent, lost = flow.end()
            streamed, missed = stream.end()
        assert len(seen) >= 3, seen
        assert sent > 1000 and lost == 0, (sent, lost, flow.gaps())
        assert streamed > 5000 and missed == 0, (streamed, missed)
        # On the wire there is LLDP beside MKA and protected frames, and it tells identifiers, not keys: each element is
        # known to its last octet.
        assert wire.types() == {"888e", "88e5", "88cc"}, wire.types()
        identifiers = offers(beginning.frames + wire.frames)
        assert len(identifiers) >= 3
        assert seen <= {hashlib.sha256(one).hexdigest().upper() for one in identifiers}
        for frame in wire.frames:
            if frame[12:14] != b"\x88\xcc":
                continue
            found = elements(frame)
            assert [kind for kind, _ in found[:3]] == [1, 2, 3]
            for kind, value in found[3:]:
                assert kind == 127 and value[:3] == ORGANIZATION and value[4] == 1
                subtype, rest = value[3], value[6:]
                assert subtype in (CAPABILITY, OFFER, ANSWER)
                assert rest in ((b"Alice", b"Bob", b"") if subtype == CAPABILITY else identifiers), rest
        for side in lab:
            log = side.agent.program.text()
            assert "%L2-MKA-6-CAK_IN_USE" in log and CAK not in log
        # The KMEs go: the key in use serves on, then is exhausted, and the port is blocked.
        for program in programs:
            program.stop()
        taker = next(s for s in sessions if leaf(port(s), "key-service/cak-exchange/duty") == "taker")
        eventually(lambda: leaf(port(taker), "key-service/reason") is not None, 40)
        assert ping(lab[0], lab[1].address), "single failures have no effect"
        eventually(lambda: leaf(port(taker), "key-service/is-stalled") == "true", 60)
        assert not ping(lab[0], lab[1].address)
        assert any("%L2-MKA-3-KEY_LIFETIME_EXHAUSTED" in side.agent.program.text() for side in lab)


def test_a_killed_agent_goes_on_with_its_key(lab, sessions, tmp_path):
    """Also where it comes back too late for MKA, with no key service to ask."""
    with kmes(lab, tmp_path) as (ports, programs):
        secure(
            lab, sessions, chain("mac_chain", ("1000", CAK)), (profile("one", ports[0]), profile("two", ports[1])),
            tuple(cak_policy(name, refresh=3600) for name in ("one", "two")), policy_name="cak")
        key = keys_in_use(sessions[0])
        for program in programs:
            program.stop()
    side = lab[1]
    side.agent.stop(9)
    time.sleep(8)
    side.agent.start()
    with side.manager() as session:
        eventually(lambda: side.is_secured(session), 40)
        assert keys_in_use(session) == key and len(key) == 1
    eventually(lambda: ping(lab[0], lab[1].address), 20)


def test_the_key_chain_takes_over_without_loss_where_the_policy_says_so(lab, sessions, tmp_path):
    with kmes(lab, tmp_path) as (ports, programs):
        secure(
            lab, sessions, chain("mac_chain", ("1000", CAK)), (profile("one", ports[0]), profile("two", ports[1])),
            tuple(
                cak_policy(
                    name, "<on-failure>fall-back</on-failure>", more_lifetime="<maximum-age>30</maximum-age>")
                for name in ("one", "two")),
            policy_name="cak")
        eventually(lambda: ping(lab[0], lab[1].address))
        assert all(leaf(mka(session), "session/ca/ckn") != "1000" for session in sessions)
        for program in programs:
            program.stop()
    with Ping(lab[0], lab[1].address) as flow:
        for session in sessions:
            eventually(lambda: leaf(port(session), "key-service/fallback-count") == "1", 60)
            eventually(lambda: leaf(mka(session), "info/auth-info/principal-actor") == "fallback", 30)
        time.sleep(8)
        sent, lost = flow.end()
    assert lost == 0, (sent, lost, flow.gaps())
    for side, session in zip(lab, sessions):
        assert leaf(port(session), "key-service/is-in-use") == "false"
        log = side.agent.program.text()
        assert "%L2-MKA-4-PPK_FALLBACK" in log and "SESSION_SECURED_WITH_FALLBACK_PSK" in log


# A peer that knows standard MKA and nothing else


@pytest.fixture
def mixed(tmp_path):
    """A router, and a host on the other end of its wire."""
    with Namespace("cak-a") as first, Namespace("cak-b") as second:
        first.ip("link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", second.name)
        for namespace, link in ((first, "va"), (second, "vb")):
            namespace.ip("link", "set", link, "up")
        side = Side(first, "va", "192.0.2.1", tmp_path / "a")
        try:
            side.agent.start()
            yield side, second
        finally:
            side.agent.stop()
            for process in side.secyds():
                with contextlib.suppress(OSError):
                    os.kill(process, 9)
            second.kill_all()


@contextlib.contextmanager
def kmes_of_both(first, second, directory):
    """The router's KME as any, the host's without TLS, to be asked by this test."""
    network, secret = directory / "network", directory / "psk"
    secret.write_text(b"kmesim-lab".hex())
    common = [BUILD / "kmesim", "serve"]
    alice = Program(
        [*first.launcher(), *common, "--local-id", "Alice", "--remote-id", "Bob", "--psk-id", "lab", "--psk-key-file",
         secret, "--network-listen", network], directory / "Alice.log")
    bob = None
    try:
        port_of_alice = alice.line()["port"]
        bob = Program(
            [*second.launcher(), *common, "--local-id", "Bob", "--remote-id", "Alice", "--plain", "--network-join",
             network], directory / "Bob.log")
        yield port_of_alice, bob.line()["port"]
    finally:
        alice.stop()
        if bob is not None:
            bob.stop()


def fetch(namespace, port_number, identifier):
    """The key of an identifier, as the host's KME gives it."""
    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port_number, timeout=10)
        connection.request("GET", f"/key/{identifier.decode()}?remoteSystemID=Alice")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return json.load(answer)
    answer = namespace.within(ask)
    assert answer["keyId"].encode() == identifier
    return answer["key"]


def supplicant(namespace, directory, ckn, cak):
    """wpa_supplicant with a CAK that was given to it by hand; its calls to the kernel's MACsec are answered."""
    library = directory / "secy.so"
    source = ROOT / "Tests/mka/secy_preload.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    settings = directory / "supplicant.conf"
    settings.write_text(
        "eapol_version=3\nap_scan=0\nfast_reauth=1\nnetwork={\nkey_mgmt=NONE\neapol_flags=0\nmacsec_policy=1\n"
        f"mka_cak={cak}\nmka_ckn={ckn}\nmka_priority=32\n}}\n")
    log = directory / "supplicant.secy"
    process = subprocess.Popen(
        [*namespace.launcher(), "wpa_supplicant", "-D", "macsec_linux", "-i", "vb", "-c", settings, "-t", "-f",
         directory / "supplicant.log"], env=dict(os.environ, LD_PRELOAD=str(library), SECY_LOG=str(log)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, log


@pytest.mark.skipif(not (shutil.which("wpa_supplicant", path="/usr/sbin:/sbin:/usr/bin") and shutil.which("gcc")),
                    reason="there is no wpa_supplicant or no gcc (Debian: wpasupplicant, gcc)")
def test_the_peer_needs_only_standard_mka(mixed, tmp_path):
    """What the identifier names is given to wpa_supplicant by hand: that is all that it has of CAK mode."""
    side, host = mixed

    class Host:
        namespace, link = host, "vb"

    with kmes_of_both(side.namespace, host, tmp_path) as (ours, theirs), side.manager() as session, Wire(Host) as wire:
        commit(
            session, mapping("va"), chain("mac_chain", ("1000", CAK)), profile("q", ours),
            cak_policy("q", "<cak><role>taker</role><lldp-interval>1</lldp-interval></cak>"
                       "<remote-system-id>Bob</remote-system-id>", refresh=3600)
            .replace("</key-lifetime>", "</key-lifetime><cipher-suite>GCM-AES-128</cipher-suite>"),
            interface(side.address, policy_name="cak"))
        identifier = eventually(lambda: offers(list(wire.frames)), 30)[0]
        assert leaf(port(session), "key-service/cak-exchange/key/key-id") == identifier.decode()
        ckn, cak = hashlib.sha256(identifier).hexdigest(), fetch(host, theirs, identifier)
        process, log = supplicant(host, tmp_path, ckn, cak)
        try:
            eventually(lambda: side.is_secured(session), 40)
            assert leaf(port(session), "key-service/is-in-use") == "true"
            assert leaf(mka(session), "session/ca/ckn") == ckn.upper()
            assert leaf(mka(session), "session/ca/num-live-peers") == "1"

            def installed():
                commands = [json.loads(line).get("command") for line in log.read_text().splitlines()]
                assert "add_txsa" in commands and "add_rxsa" in commands, commands
                return True

            eventually(installed, 20)
        finally:
            process.terminate()
            process.wait(10)
        assert not any(bytes.fromhex(cak) in frame or cak.encode() in frame for frame in wire.frames)


# Other speakers of LLDP


@pytest.mark.skipif(shutil.which("tcpdump", path="/usr/bin:/usr/sbin") is None, reason="there is no tcpdump (Debian)")
def test_tcpdump_understands_the_frames(mixed, tmp_path):
    side, host = mixed
    capture = subprocess.Popen(
        [*host.launcher(), "tcpdump", "-i", "vb", "-n", "-vv", "-l", "-c", "2", "ether proto 0x88cc"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        with side.manager() as session:
            commit(
                session, mapping("va"), chain("mac_chain", ("1000", CAK)), profile("q", 1),
                cak_policy("q", "<cak><lldp-interval>1</lldp-interval></cak>"),
                interface(side.address, policy_name="cak"))
            text, _ = capture.communicate(timeout=30)
    finally:
        if capture.poll() is None:
            capture.kill()
            capture.wait()
    address = side.namespace.link("va")["address"]
    assert f"Subtype MAC address (4): {address}" in text and "Subtype Local (7): va/macsec" in text, text
    assert "Time to Live TLV (3), length 2: TTL 5s" in text and "Organization specific TLV (127)" in text, text
    assert "End TLV (0)" in text, text
    assert "malformed" not in text.lower() and "truncated" not in text.lower() and "[|" not in text, text


@pytest.mark.skipif(shutil.which("lldpd", path="/usr/sbin:/sbin") is None, reason="there is no lldpd (Debian)")
def test_lldpd_sees_a_neighbour(mixed, tmp_path):
    side, host = mixed
    # Its client gives its rights up before it looks for the socket.
    place = pathlib.Path(tempfile.mkdtemp(prefix="lldpd-", dir="/tmp"))
    place.chmod(0o755)
    control = place / "socket"
    daemon = subprocess.Popen(
        [*host.launcher(), "lldpd", "-d", "-u", control, "-I", "vb", "-C", "vb"], stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "lldpd.log").open("w"))
    try:
        with side.manager() as session:
            commit(
                session, mapping("va"), chain("mac_chain", ("1000", CAK)), profile("q", 1),
                cak_policy("q", "<cak><lldp-interval>1</lldp-interval></cak>"),
                interface(side.address, policy_name="cak"))

            def shown():
                done = subprocess.run(
                    [*host.launcher(), "lldpcli", "-u", control, "-f", "json0", "show", "neighbors", "details"],
                    capture_output=True, text=True, timeout=10)
                assert "va/macsec" in done.stdout and "0A,67,64" in done.stdout.upper(), (done.stdout, done.stderr)
                return True

            eventually(shown, 30)
    finally:
        daemon.terminate()
        daemon.wait(10)
        shutil.rmtree(place)
