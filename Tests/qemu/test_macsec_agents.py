# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""MACsec between two agents with the kernel's own MACsec, configured from outside: the addresses of the interfaces are
on the controlled ports, and packets pass while agents come and go."""

import contextlib
import json
import socket
import subprocess
import time

import pytest
from conftest import BUILD, ROOT
from lxml import etree
from ncclient import manager

pytestmark = pytest.mark.long

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
CISCO = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-"
MACSEC, KEY_CHAIN, INTERFACE, ADDRESS = (
    f"{CISCO}{name}-cfg" for name in ("macsec", "key-chain", "interface", "if-ip-address"))
AGENTD = "urn:agentd:yang:agentd-interfaces"
XR = "HundredGigE0/1/0/10"
# By side: its link, the address of its interface, and the words that put a program where the link is.
SIDES = {"near": ("va", "192.0.2.1", ""), "far": ("vb", "192.0.2.2", "/usr/sbin/ip netns exec far")}


class Lab:
    """An agent in the guest's own namespace and one in the namespace far, with a pair of links between them."""

    def __init__(self, guest, work, ports):
        self.guest, self.work, self.ports = guest, work, ports
        guest.run("ip netns add far; ip link add va type veth peer name vb netns far; ip -n far link set lo up")
        guest.run("ip link set eth1 netns far; ip -n far addr add 10.0.2.15/24 dev eth1; ip -n far link set eth1 up")
        guest.run("ip -n far route add default via 10.0.2.2")

    def start(self, side):
        where = SIDES[side][2]
        self.guest.run(
            f"setsid {where} /root/build/agentd run --data-directory /{side} --yang /root/yang --listen 0.0.0.0:830 "
            f">>/tmp/{side}.log 2>&1 & echo $! >/tmp/{side}.pid")

    def wait(self, side):
        self.eventually(lambda: '"netconf"' in self.guest.run(f"cat /tmp/{side}.log"), 300)

    def kill(self, side):
        self.guest.run(f"kill -9 $(cat /tmp/{side}.pid); rm /tmp/{side}.log")

    def manager(self, side):
        return manager.connect(
            host="127.0.0.1", port=self.ports[side], username="admin", key_filename=str(self.work / "key"),
            hostkey_verify=False, allow_agent=False, look_for_keys=False, timeout=120)

    def eventually(self, check, limit=90):
        deadline = time.monotonic() + limit
        while not check():
            assert time.monotonic() < deadline, self.guest.run(
                "tail -c 2000 /tmp/near.log; tail -c 2000 /tmp/far.log; ip addr; ip macsec show; ip -n far addr",
                check=False)
            time.sleep(0.5)
        return True

    def answers(self, count=1):
        self.guest.run(f"ping -c {count} -W 2 192.0.2.2", check=False)
        return self.guest.status == 0

    def link(self, name):
        text = self.guest.run(f"ip -j -d addr show dev {name} 2>/dev/null", check=False).strip()
        return (json.loads(text) or [None])[0] if text.startswith("[") else None


@contextlib.contextmanager
def started(boot, work, programs=()):
    """The lab with both agents running, and more programs in the guest."""
    agentd = BUILD / "agentd"
    if not agentd.exists():
        pytest.fail(f"{agentd} is not built (swift build --product agentd)")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / "key"], check=True)
    subprocess.run(["strip", "-o", work / "agentd", agentd], check=True)
    add = [f"{work / 'agentd'}:/root/build/agentd", f"{ROOT / 'yang'}:/root/yang", *programs]
    ports = {}
    for side in SIDES:
        subprocess.run(
            [agentd, "user", "add", "admin", "--authorized-key", work / "key.pub", "--data-directory", work / side,
             "--yang", ROOT / "yang"], check=True)
        add.append(f"{work / side}:/{side}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports[side] = probe.getsockname()[1]
    with boot(add=add, forwards=[{ports["near"]: 830}, {ports["far"]: 830}], memory=1536) as guest:
        it = Lab(guest, work, ports)
        for side in SIDES:
            it.start(side)
        for side in SIDES:
            it.wait(side)
        yield it


@pytest.fixture(scope="module")
def lab(boot, tmp_path_factory):
    with started(boot, tmp_path_factory.mktemp("macsec")) as it:
        yield it


def configuration(side):
    link, address, _ = SIDES[side]
    return f"""
      <key xmlns="{KEY_CHAIN}"><chains><chain><key-chain-name>keys</key-chain-name><macsec><keys><key><ckn>0a0b</ckn>
        <key-string><password>!{"0123456789abcdef" * 4}</password>
        <cryptographic-algorithm>aes-256-cmac</cryptographic-algorithm></key-string>
        <lifetime><start-time><hour>5</hour><minute>0</minute><second>0</second><month>january</month>
        <day-of-month>1</day-of-month><year>2015</year></start-time><infinite/></lifetime></key></keys></macsec></chain>
      </chains></key>
      <interfaces-mapping xmlns="{AGENTD}"><interface-mapping><xr-name>{XR}</xr-name><linux-name>{link}</linux-name>
      </interface-mapping></interfaces-mapping>
      <interfaces xmlns="{INTERFACE}"><interface><interface-name>{XR}</interface-name><mtu>1546</mtu>
        <ipv4><addresses xmlns="{ADDRESS}"><address><address>{address}</address><netmask>255.255.255.0</netmask>
        </address></addresses></ipv4>
        <macsec xmlns="{MACSEC}"><psk-keychain><keychain-name>keys</keychain-name></psk-keychain></macsec>
      </interface></interfaces>"""


def commit(session, body):
    session.edit_config(target="candidate", config=f'<config xmlns="{BASE}" xmlns:nc="{BASE}">{body}</config>')
    session.commit()


def state(session):
    wanted = f'<interfaces-state xmlns="{AGENTD}"/>'
    return etree.fromstring(session.get(("subtree", wanted)).data_xml.encode()).find(f".//{{{AGENTD}}}interface-state")


def has(link, address):
    return address in [one["local"] for one in (link or {}).get("addr_info", []) if one["family"] == "inet"]


def test_addresses_are_on_the_kernels_controlled_port(lab):
    with lab.manager("near") as near, lab.manager("far") as far:
        commit(near, configuration("near"))
        commit(far, configuration("far"))
        lab.eventually(lambda: lab.answers(), 120)
        lab.eventually(lambda: state(near).findtext("{*}configuration-status") == "applied")
        controlled = state(near).findtext("{*}layer-3-link")
        link = lab.link(controlled)
        assert link["linkinfo"]["info_kind"] == "macsec" and has(link, "192.0.2.1")
        assert not has(lab.link("va"), "192.0.2.1"), "an address in clear"
        # As the guides advise: room for MACsec on the port leaves 1500 bytes.
        assert lab.link("va")["mtu"] == 1532 and link["mtu"] == 1500
        assert lab.answers(5)


def test_a_restart_leaves_the_addresses_where_they_are(lab):
    with lab.manager("near") as near:
        index = lab.link(state(near).findtext("{*}layer-3-link"))["ifindex"]
    lab.kill("near")
    assert lab.answers(3)
    lab.start("near")
    lab.wait("near")
    with lab.manager("near") as near:
        lab.eventually(lambda: state(near).findtext("{*}configuration-status") == "applied")
        link = lab.link(state(near).findtext("{*}layer-3-link"))
        assert has(link, "192.0.2.1") and not has(lab.link("va"), "192.0.2.1")
        lab.eventually(lambda: lab.answers(3), 120)
        print("adopted" if link["ifindex"] == index else "made anew")


def test_without_macsec_the_port_has_its_address_back(lab):
    with lab.manager("near") as near, lab.manager("far") as far:
        for session in (near, far):
            commit(
                session, f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>{XR}</interface-name>'
                f'<macsec xmlns="{MACSEC}" nc:operation="remove"/></interface></interfaces>')
        lab.eventually(lambda: has(lab.link("va"), "192.0.2.1"))
        assert state(near).find("{*}layer-3-link") is None
        lab.eventually(lambda: lab.answers(3))
