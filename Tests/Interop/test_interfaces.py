# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Interfaces: what a client configures is on the Linux links, stays there, and goes again; what is there is shown."""

import signal
import socket
import struct
import time

import pytest
from conftest import BASE, eventually
from lxml import etree
from namespaces import Namespace, NamespaceAgent, missing
from ncclient.operations.rpc import RPCError

INTERFACE = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-interface-cfg"
ADDRESS = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-if-ip-address-cfg"
AGENTD = "urn:agentd:yang:agentd-interfaces"
XR = "HundredGigE0/1/0/10"

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def lab(tmp_path):
    """A namespace with the ends of a veth pair, left and right, and an agent in it."""
    with Namespace("interfaces") as namespace:
        namespace.ip("link", "add", "left", "type", "veth", "peer", "name", "right")
        agent = NamespaceAgent(tmp_path, namespace).start()
        try:
            yield namespace, agent
        finally:
            agent.stop()


def edit(session, body, commit=True):
    # Entries that were put together one by one are in one container.
    body = body.replace(f'</interfaces><interfaces xmlns="{INTERFACE}">', "")
    session.edit_config(target="candidate", config=f'<config xmlns="{BASE}" xmlns:nc="{BASE}">{body}</config>')
    if commit:
        session.commit()


def interface(name, content="", operation="", kind="interface"):
    operation = f' nc:operation="{operation}"' if operation else ""
    return (
        f'<interfaces xmlns="{INTERFACE}"><{kind}{operation}><interface-name>{name}</interface-name>{content}'
        f"</{kind}></interfaces>"
    )


def ipv4(primary="", secondaries=()):
    def one(address):
        length = int(address.split("/")[1])
        mask = ".".join(str((0xFFFFFFFF << (32 - length) >> shift) & 255) for shift in (24, 16, 8, 0))
        return f"<address>{address.split('/')[0]}</address><netmask>{mask}</netmask>"

    more = "".join(f"<secondary>{one(address)}</secondary>" for address in secondaries)
    first = f"<address>{one(primary)}</address>" if primary else ""
    return (
        f'<ipv4><addresses xmlns="{ADDRESS}" xmlns:nc="{BASE}" nc:operation="replace">{first}'
        f"<secondaries>{more}</secondaries></addresses></ipv4>"
    )


def ipv6(*addresses, operation="replace"):
    entries = "".join(
        f"<ipv6-address><address>{a.split('/')[0]}</address><prefix-length>{a.split('/')[1]}</prefix-length>"
        "<zone>0</zone></ipv6-address>" for a in addresses
    )
    return f'<ipv6><addresses xmlns="{ADDRESS}" nc:operation="{operation}">{entries}</addresses></ipv6>'


def mapping(name, link, operation=""):
    operation = f' nc:operation="{operation}"' if operation else ""
    return (
        f'<interfaces-mapping xmlns="{AGENTD}"><interface-mapping{operation}><xr-name>{name}</xr-name>'
        f"<linux-name>{link}</linux-name></interface-mapping></interfaces-mapping>"
    )


def state(session, name):
    entry = f"<interface-state><xr-name>{name}</xr-name></interface-state>"
    wanted = f'<interfaces-state xmlns="{AGENTD}">{entry}</interfaces-state>'
    tree = etree.fromstring(session.get(("subtree", wanted)).data_xml.encode())
    return tree.find(f".//{{{AGENTD}}}interface-state")


def has(namespace, link, *addresses):
    def check():
        now = namespace.addresses(link)
        assert now == list(addresses), f"{link} has {now}, not {list(addresses)}"
        return True

    return eventually(check)


def becomes(session, name, status):
    def check():
        entry = state(session, name)
        assert entry is not None, f"{name} is not shown"
        now = entry.findtext("{*}configuration-status")
        assert now == status, f"{name} is {now}: {[p.text for p in entry.findall('{*}problem')]}"
        return [entry]

    return eventually(check)[0]


def test_what_is_configured_is_on_the_link_and_goes_again(lab):
    namespace, agent = lab
    before = namespace.link("left")
    assert before["mtu"] == 1500 and "UP" not in before["flags"]
    with agent.manager("iosxr") as session:
        edit(
            session,
            mapping(XR, "left") + interface(
                XR, "<description>to the lab</description><mtu>1414</mtu>"
                + ipv4("192.0.2.1/24", ["192.0.2.2/24", "198.51.100.1/28"]) + ipv6("2001:db8::1/64")
            ) + interface("right"),
        )
        has(namespace, "left", "192.0.2.1/24", "198.51.100.1/28", "192.0.2.2/24", "2001:db8::1/64")
        link = namespace.link("left")
        # The MTU of an Ethernet interface of IOS XR counts the header of 14 bytes.
        assert link["mtu"] == 1400 and "UP" in link["flags"] and link["ifalias"] == "to the lab"
        assert "UP" in namespace.link("right")["flags"]
        entry = becomes(session, XR, "applied")
        assert entry.findtext("{*}linux-name") == "left" and entry.findtext("{*}mtu") == "1400"
        assert entry.findtext("{*}description") == "to the lab" and entry.findtext("{*}admin-status") == "up"
        eventually(lambda: state(session, XR).findtext("{*}oper-status") == "up")
        assert int(entry.findtext("{*}counters/{*}out-packets")) >= 0
        addresses = [a.text for a in entry.findall("{*}address")]
        assert "192.0.2.1/24" in addresses and "2001:db8::1/64" in addresses

        # Somebody else's address is left alone whatever comes.
        namespace.ip("address", "add", "203.0.113.1/24", "dev", "left")
        edit(session, interface(XR, "<shutdown/>" + ipv4("192.0.2.2/24") + ipv6("2001:db8::2/64")))
        has(namespace, "left", "203.0.113.1/24", "192.0.2.2/24", "2001:db8::2/64")
        assert "UP" not in namespace.link("left")["flags"]
        eventually(lambda: state(session, XR).findtext("{*}oper-status") == "down")
        edit(session, interface(XR, '<shutdown nc:operation="delete"/><mtu nc:operation="delete"/>'))
        eventually(lambda: "UP" in namespace.link("left")["flags"] and namespace.link("left")["mtu"] == 1500)
        has(namespace, "left", "203.0.113.1/24", "192.0.2.2/24", "2001:db8::2/64")

        edit(session, interface(XR, operation="delete"))
        has(namespace, "left", "203.0.113.1/24")
        eventually(lambda: "ifalias" not in namespace.link("left"))
        assert state(session, XR).find("{*}configuration-status") is None
        edit(session, mapping(XR, "left", "delete"))
        assert state(session, XR) is None


def test_a_link_gets_its_configuration_whenever_it_appears(lab):
    namespace, agent = lab
    with agent.manager() as session:
        edit(
            session,
            mapping(XR, "later")
            + interface(XR, "<mtu>1314</mtu>" + ipv4("192.0.2.1/24"), kind="interface-preconfigure"),
        )
        entry = becomes(session, XR, "pending")
        assert entry.findtext("{*}oper-status") == "not-present" and entry.find("{*}if-index") is None
        assert "there is no link later" in [p.text for p in entry.findall("{*}problem")]
        namespace.ip("link", "add", "later", "type", "veth", "peer", "name", "other")
        has(namespace, "later", "192.0.2.1/24")
        becomes(session, XR, "applied")
        assert namespace.link("later")["mtu"] == 1300
        # Another link takes the name, as another index.
        index = namespace.link("later")["ifindex"]
        namespace.ip("link", "delete", "later")
        becomes(session, XR, "pending")
        namespace.ip("link", "add", "later", "type", "veth", "peer", "name", "other")
        has(namespace, "later", "192.0.2.1/24")
        assert namespace.link("later")["ifindex"] != index and namespace.link("later")["mtu"] == 1300
        # Renamed, it is another interface's; what was put on it goes with the link, and the next one gets its own.
        namespace.ip("link", "set", "later", "down")
        namespace.ip("link", "set", "later", "name", "gone")
        becomes(session, XR, "pending")
        namespace.ip("link", "set", "gone", "name", "later")
        becomes(session, XR, "applied")
        eventually(lambda: "UP" in namespace.link("later")["flags"])


def test_what_others_undo_is_done_again(lab):
    namespace, agent = lab
    with agent.manager() as session:
        edit(session, interface("left", "<mtu>1400</mtu>" + ipv4("192.0.2.1/24") + ipv6("2001:db8::1/64")))
        has(namespace, "left", "192.0.2.1/24", "2001:db8::1/64")
        # A Linux name counts the MTU as Linux does.
        assert namespace.link("left")["mtu"] == 1400
        namespace.ip("address", "flush", "dev", "left")
        has(namespace, "left", "192.0.2.1/24", "2001:db8::1/64")
        namespace.ip("link", "set", "left", "mtu", "1500", "down")
        eventually(lambda: namespace.link("left")["mtu"] == 1400 and "UP" in namespace.link("left")["flags"])
        has(namespace, "left", "192.0.2.1/24", "2001:db8::1/64")


def test_a_restart_of_the_agent_disturbs_nothing(lab):
    namespace, agent = lab
    with agent.manager() as session:
        addresses = ipv4("192.0.2.1/24", ["192.0.2.2/24"]) + ipv6("2001:db8::1/64")
        edit(session, interface("left", "<mtu>1400</mtu>" + addresses))
        edit(session, interface("right", ipv4("192.0.2.3/24")))
        has(namespace, "left", "192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64")
        has(namespace, "right", "192.0.2.3/24")
    # The kernel looks for duplicates first.
    eventually(lambda: not any(one.get("tentative") for one in namespace.link("left")["addr_info"]))
    agent.stop(signal.SIGKILL)
    before = (namespace.link("left"), namespace.link("right"))
    # What changes while nobody looks is put right; what does not is not touched, which the kernel's monitor would tell.
    namespace.ip("address", "delete", "192.0.2.3/24", "dev", "right")
    namespace.ip("link", "set", "right", "down")
    agent.start()
    has(namespace, "right", "192.0.2.3/24")
    eventually(lambda: "UP" in namespace.link("right")["flags"])
    after = namespace.link("left")
    assert after["addr_info"] == before[0]["addr_info"] and after["mtu"] == 1400
    # The addresses are known to be the agent's own.
    with agent.manager() as session:
        edit(session, interface("left", operation="delete"))
        has(namespace, "left")
    agent.stop()
    assert namespace.addresses("right") == ["192.0.2.3/24"]


def test_an_address_that_left_the_configuration_unseen_is_known_by_its_origin(lab):
    namespace, agent = lab
    with agent.manager() as session:
        edit(session, interface("left", ipv4("192.0.2.1/24")))
        has(namespace, "left", "192.0.2.1/24")
    agent.stop(signal.SIGKILL)
    # As if the agent had died between a commit and carrying it out: an address of its origin that nobody configured.
    add_with_origin(namespace, "198.51.100.9", 24, "left", 173)
    add_with_origin(namespace, "198.51.100.10", 24, "right", 173)
    add_with_origin(namespace, "203.0.113.9", 24, "left", 0)
    assert namespace.addresses("right") == ["198.51.100.10/24"]
    agent.start()
    has(namespace, "left", "192.0.2.1/24", "203.0.113.9/24")
    has(namespace, "right")


def add_with_origin(namespace, address, length, link, origin):
    """RTM_NEWADDR with IFA_PROTO, which Debian's ip cannot say."""
    index = namespace.link(link)["ifindex"]
    local = struct.pack("HH", 8, 2) + socket.inet_aton(address)
    payload = struct.pack("BBBBI", socket.AF_INET, length, 0, 0, index) + local + struct.pack("HHBxxx", 5, 11, origin)
    message = struct.pack("IHHII", 16 + len(payload), 20, 0x605, 1, 0) + payload

    def exchange():
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
            kernel.send(message)
            return struct.unpack_from("i", kernel.recv(4096), 16)[0]

    assert namespace.within(exchange) == 0


def test_what_linux_cannot_do_is_refused_with_its_place(lab):
    _, agent = lab
    refused = {
        "bandwidth": "<bandwidth>1000</bandwidth>",
        "dampening": "<dampening/>",
        "l2transport|sub-interface-type": "<sub-interface-type><l2transport/></sub-interface-type>",
        "unnumbered": f'<ipv4><addresses xmlns="{ADDRESS}"><unnumbered>right</unnumbered></addresses></ipv4>',
        "route-tag": f'<ipv4><addresses xmlns="{ADDRESS}"><address><address>192.0.2.1</address><netmask>255.255.255.0'
        "</netmask><route-tag>5</route-tag></address></addresses></ipv4>",
        "netmask": f'<ipv4><addresses xmlns="{ADDRESS}"><address><address>192.0.2.1</address><netmask>255.0.255.0'
        "</netmask></address></addresses></ipv4>",
        "zone": f'<ipv6><addresses xmlns="{ADDRESS}"><ipv6-address><address>2001:db8::1</address><prefix-length>64'
        "</prefix-length><zone>blue</zone></ipv6-address></addresses></ipv6>",
        "ipv6-address": ipv6("fe80::1/64"),
        "secondaries": f'<ipv4><addresses xmlns="{ADDRESS}"><secondaries><secondary><address>192.0.2.1</address>'
        "<netmask>255.255.255.0</netmask></secondary></secondaries></addresses></ipv4>",
        "mtu": "<mtu>65</mtu>",
    }
    with agent.manager() as session:
        for place, content in refused.items():
            edit(session, interface("left", content), commit=False)
            with pytest.raises(RPCError) as caught:
                session.commit()
            assert any(name in caught.value.path for name in place.split("|")), (place, caught.value.path)
            assert "left" in caught.value.path and caught.value.message
            session.discard_changes()
        # All refusals come together.
        edit(session, interface("left", "<bandwidth>1</bandwidth><mtu>65</mtu>"), commit=False)
        with pytest.raises(RPCError) as caught:
            session.commit()
        assert len(caught.value.errors) == 2
        session.discard_changes()
        for body, words in [
            (mapping(XR, "left") + interface(XR) + interface("left"), "both the Linux link left"),
            (interface("left") + interface("left", kind="interface-preconfigure"), "both lists"),
        ]:
            edit(session, body, commit=False)
            with pytest.raises(RPCError) as caught:
                session.commit()
            assert words in caught.value.message
            session.discard_changes()


def test_what_the_kernel_refuses_is_shown_and_mended_by_an_edit(lab):
    namespace, agent = lab
    with agent.manager() as session:
        edit(session, interface("left", "<mtu>65535</mtu>" + ipv4("192.0.2.1/24")))
        has(namespace, "left", "192.0.2.1/24")
        entry = becomes(session, "left", "applied") if namespace.link("left")["mtu"] == 65535 else becomes(
            session, "left", "failed")
        if entry.findtext("{*}configuration-status") == "failed":
            assert "MTU 65535" in entry.findtext("{*}problem")
        edit(session, interface("left", "<mtu>1500</mtu>"))
        becomes(session, "left", "applied")


def test_a_moved_mapping_moves_what_is_configured(lab):
    namespace, agent = lab
    with agent.manager() as session:
        edit(session, mapping(XR, "left") + interface(XR, "<description>d</description>" + ipv4("192.0.2.1/24")))
        has(namespace, "left", "192.0.2.1/24")
        edit(session, mapping(XR, "right"))
        has(namespace, "right", "192.0.2.1/24")
        has(namespace, "left")
        eventually(lambda: namespace.link("right").get("ifalias") == "d" and "ifalias" not in namespace.link("left"))


def test_changes_of_status_are_told(lab):
    namespace, agent = lab
    with agent.manager() as session:
        edit(session, mapping(XR, "left") + interface(XR) + interface("right"))
        eventually(lambda: state(session, XR).findtext("{*}oper-status") == "up")
        session.create_subscription()
        # The far end of the pair goes down, and stays so.
        edit(session, interface("right", "<shutdown/>"))
        assert notification(session, XR).findtext(".//{*}oper-status") == "down"
        namespace.ip("link", "delete", "left")
        assert notification(session, XR).findtext(".//{*}oper-status") == "not-present"


def notification(session, name, limit=60):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        taken = session.take_notification(timeout=1)
        if taken is not None and "interface-status-changed" in taken.notification_xml:
            tree = etree.fromstring(taken.notification_xml.encode())
            if tree.findtext(".//{*}xr-name") == name:
                return tree
    raise AssertionError(f"no interface-status-changed of {name} within {limit} s")


def test_many_interfaces_in_one_commit(lab):
    namespace, agent = lab
    count = 60
    for number in range(count):
        namespace.ip("link", "add", f"v{number}", "type", "veth", "peer", "name", f"w{number}")
    with agent.manager() as session:
        edit(session, "".join(interface(f"v{n}", ipv4(f"10.0.{n}.1/24")) for n in range(count)))
        for number in range(count):
            has(namespace, f"v{number}", f"10.0.{number}.1/24")
        tree = etree.fromstring(session.get(("subtree", f'<interfaces-state xmlns="{AGENTD}"/>')).data_xml.encode())
        assert len(tree.findall(f".//{{{AGENTD}}}interface-state")) == count
