# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""MACsec on the members of bonds, with the kernel's own bonding and MACsec: two agents, each with a bond of two links
that it finds made as without MACsec. The controlled ports take the places of the links."""

import re

import pytest
from conftest import BUILD
from lxml import etree
from test_macsec_agents import AGENTD, INTERFACE, KEY_CHAIN, MACSEC, SIDES, commit, started

pytestmark = pytest.mark.long

MEMBERS = {"near": ("va", "va2"), "far": ("vb", "vb2")}
STATE = "urn:agentd:yang:agentd-macsec"
MKA = "http://cisco.com/ns/yang/Cisco-IOS-XR-crypto-macsec-mka-oper"


def bond(lab, mode):
    """Both ends' bonds anew, of the links without MACsec."""
    for number, (side, members) in enumerate(MEMBERS.items(), 1):
        ip = f"{SIDES[side][2]} ip"
        lab.guest.run(f"{ip} link del bond0", check=False)
        lab.guest.run(f"{ip} link add bond0 type bond mode {mode} miimon 100")
        for place, member in enumerate(members, 1):
            lab.guest.run(
                f"{ip} link set {member} down; {ip} link set {member} address 02:00:00:00:0{number}:0{place}; "
                f"{ip} link set {member} master bond0")
        lab.guest.run(f"{ip} link set bond0 up; {ip} addr add 198.51.100.{number}/24 dev bond0")


@pytest.fixture(scope="module")
def lab(boot, tmp_path_factory):
    with started(boot, tmp_path_factory.mktemp("bond"), [f"{BUILD / 'secyd'}:/root/build/secyd"]) as it:
        it.guest.run("ip link add va2 type veth peer name vb2 netns far")
        bond(it, "balance-xor")
        yield it


def configuration(side, protected=True):
    names = [f"HundredGigE0/0/0/{number}" for number in (1, 2)]
    mapping = "".join(
        f"<interface-mapping><xr-name>{name}</xr-name><linux-name>{link}</linux-name></interface-mapping>"
        for name, link in zip([*names, "Bundle-Ether0"], [*MEMBERS[side], "bond0"]))
    interfaces = "".join(
        f"""<interface><interface-name>{name}</interface-name>
        <macsec xmlns="{MACSEC}"><psk-keychain><keychain-name>keys</keychain-name></psk-keychain></macsec></interface>"""
        for name in names)
    return f"""
      <key xmlns="{KEY_CHAIN}"><chains><chain><key-chain-name>keys</key-chain-name><macsec><keys><key><ckn>0a0b</ckn>
        <key-string><password>!{"0123456789abcdef" * 4}</password>
        <cryptographic-algorithm>aes-256-cmac</cryptographic-algorithm></key-string>
        <lifetime><start-time><hour>5</hour><minute>0</minute><second>0</second><month>january</month>
        <day-of-month>1</day-of-month><year>2015</year></start-time><infinite/></lifetime></key></keys></macsec></chain>
      </chains></key>
      <interfaces-mapping xmlns="{AGENTD}">{mapping}</interfaces-mapping>
      <interfaces xmlns="{INTERFACE}">{interfaces}</interfaces>"""


def answers(lab, count=1, interval="0.2"):
    said = lab.guest.run(f"ping -q -c {count} -i {interval} -W 2 198.51.100.2", check=False)
    found = re.search(r"(\d+) packets received", said)
    return int(found[1]) if found else 0


def members(lab, side="near"):
    """The links of the bond and whether each is up, as the bonding driver says."""
    text = lab.guest.run(f"{SIDES[side][2]} cat /proc/net/bonding/bond0")
    return dict(re.findall(r"Slave Interface: (\S+)\nMII Status: (\S+)", text))


def ports(session):
    tree = etree.fromstring(session.get(("subtree", f'<macsec-state xmlns="{STATE}"/>')).data_xml.encode())
    return list(tree.iter(f"{{{STATE}}}port"))


def up(lab):
    """The members at both ends, if all of them are up."""
    found = {**members(lab), **members(lab, "far")}
    return set(found) if set(found.values()) == {"up"} else None


CONTROLLED = {"ms-va", "ms-va2", "ms-vb", "ms-vb2"}


def test_the_controlled_ports_are_the_members(lab):
    lab.eventually(lambda: up(lab) == {"va", "va2", "vb", "vb2"} and answers(lab), 60)
    with lab.manager("near") as near, lab.manager("far") as far:
        commit(near, configuration("near"))
        lab.eventually(lambda: members(lab) == {"ms-va": "down", "ms-va2": "down"}, 120)
        assert answers(lab) == 0, "must-secure: nothing passes without a peer"
        commit(far, configuration("far"))
        lab.eventually(lambda: up(lab) == CONTROLLED, 120)
        lab.eventually(lambda: answers(lab), 30)
        assert answers(lab, 50, "0.05") == 50
        for port in ports(near):
            assert port.findtext("{*}bond") == "bond0" and port.findtext("{*}data-plane") == "kernel"
        shown = etree.fromstring(near.get(("subtree", f'<macsec xmlns="{MKA}"><mka/></macsec>')).data_xml.encode())
        assert {one.findtext("{*}bundle-id") for one in shown.iter(f"{{{MKA}}}bundle-info")} == {"0"}
    # The bond's MTU is whole, since the links got room for MACsec.
    assert lab.link("bond0")["mtu"] == 1500 and lab.link("va")["mtu"] >= 1532
    said = lab.guest.run("ping -q -c 3 -i 0.2 -s 1472 -W 2 198.51.100.2", check=False)
    assert "3 packets received" in said, said
    # On the links there is nothing but MKA and protected frames.
    lab.guest.run("( ping -q -c 20 -i 0.1 -W 2 198.51.100.2 >/dev/null 2>&1 & )")
    for link in ("va", "va2"):
        seen = lab.guest.run(
            f"timeout 2 tcpdump -i {link} -nn 'not ether proto 0x88e5 and not ether proto 0x888e' 2>/dev/null", check=False)
        assert seen.strip() == "", seen


def test_a_member_whose_session_ended_is_down(lab):
    """MKA is cut on one link, which itself stays up: the other member carries all."""
    far = SIDES["far"][2]
    for command in (
            "tc qdisc add dev vb2 clsact", "tc filter add dev vb2 ingress protocol 0x888e matchall action drop",
            "tc filter add dev vb2 egress protocol 0x888e matchall action drop"):
        lab.guest.run(f"{far} {command}")
    lab.eventually(lambda: (members(lab), members(lab, "far")) == (
        {"ms-va": "up", "ms-va2": "down"}, {"ms-vb": "up", "ms-vb2": "down"}), 60)
    lab.eventually(lambda: answers(lab), 30)
    assert answers(lab, 20, "0.05") == 20
    lab.guest.run(f"{far} tc qdisc del dev vb2 clsact")
    lab.eventually(lambda: up(lab) == CONTROLLED, 120)


def test_a_restart_finds_the_bond_as_it_left_it(lab):
    before = {name: lab.link(name)["ifindex"] for name in ("ms-va", "ms-va2")}
    lab.kill("near")
    assert {name: lab.link(name)["ifindex"] for name in before} == before
    assert set(members(lab)) == set(before)
    lab.start("near")
    lab.wait("near")
    with lab.manager("near") as near:
        lab.eventually(lambda: all(port.findtext("{*}is-secured") == "true" for port in ports(near)), 120)
    lab.eventually(lambda: up(lab) == CONTROLLED and answers(lab), 60)


def remove(lab):
    with lab.manager("near") as near, lab.manager("far") as far:
        for session in (near, far):
            for number in (1, 2):
                commit(
                    session, f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>HundredGigE0/0/0/{number}'
                    f'</interface-name><macsec xmlns="{MACSEC}" nc:operation="remove"/></interface></interfaces>')
    lab.eventually(lambda: up(lab) == {"va", "va2", "vb", "vb2"} and answers(lab), 90)
    assert "agentd-p" not in lab.guest.run("nft list ruleset")


def test_without_macsec_the_links_are_the_members(lab):
    remove(lab)


def test_lacp_runs_inside_the_userspace_data_plane(lab):
    """Bonds with LACP use members only that tell their speed: the kernel's MACsec does not, secyd's ports do."""
    with lab.manager("near") as near, lab.manager("far") as far:
        for session in (near, far):
            # Otherwise the links are set up as soon as somebody sets them down to put them into a bond.
            commit(session, f'<interfaces xmlns="{INTERFACE}" nc:operation="remove"/>')
    bond(lab, "802.3ad lacp_rate fast")

    def aggregated():
        return min(int(lab.guest.run(f"{SIDES[side][2]} cat /sys/class/net/bond0/bonding/ad_num_ports")) for side in SIDES)

    lab.eventually(lambda: aggregated() == 2 and answers(lab), 60)
    with lab.manager("near") as near, lab.manager("far") as far:
        commit(near, configuration("near"))
        commit(far, configuration("far"))
        try:
            lab.eventually(lambda: up(lab) == CONTROLLED and aggregated() == 2, 180)
        except AssertionError as error:
            found = [etree.tostring(port).decode() for session in (near, far) for port in ports(session)]
            raise AssertionError("\n".join(found)) from error
        lab.eventually(lambda: answers(lab), 60)
        assert answers(lab, 20, "0.1") == 20
        assert {port.findtext("{*}data-plane") for port in ports(near)} == {"userspace"}
    seen = lab.guest.run("timeout 3 tcpdump -i va -nn ether proto 0x8809 2>/dev/null", check=False)
    assert seen.strip() == "", "LACP in clear"
    remove(lab)
