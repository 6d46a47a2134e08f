# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The vendor's published examples on two agents: router by router, leaf by leaf, with the corrections that they need.

Corrections, all of slips in the print (docs/ipsec-mapping.md lists them too):

- both routers of the management example protect a tunnel to 5.22.16.x, which is neither router's address;
- router 1 of it names a keyring `key_mgmt` that it does not have, router 2's keyring names router 2 itself;
- the steps of it print `fvrp` for `fvrf`, and router 1's keyring and peer where router 2's are meant (keyrings by name);
- its routers are in one network here, so that no router between them is needed;
- the responder of the dynamic PPK example defines transform set ts1 and names ts3;
- the keyring peer of both responders has the responder's own address, whose mask takes the initiator in.
"""

import contextlib

import ipseclab
import pytest
from conftest import BUILD, Program, eventually
from ipsecconfig import IKEV2, INTERFACE, IP_ADDRESS, IPSEC, TUNNEL, commit, sks_profile
from ipseclab import LINK, Ends, agent_at, echo, notifications
from test_ipsec_oper import pairs, sessions, texts

pytestmark = ipseclab.needed

MAPPING = "urn:agentd:yang:agentd-interfaces"


@contextlib.contextmanager
def routers(tmp_path):
    """Two agents on one link, whose addresses are theirs to configure; the interface of the guide is the link."""
    with Ends() as ends, contextlib.ExitStack() as agents:
        for namespace in (ends.near, ends.far):
            namespace.ip("address", "flush", "dev", LINK)
        yield ends, *(agents.enter_context(agent_at(tmp_path / it.name, it)) for it in (ends.near, ends.far))


def interface(xr_name, address, mask):
    return (f'<interfaces-mapping xmlns="{MAPPING}"><interface-mapping><xr-name>{xr_name}</xr-name>'
            f"<linux-name>{LINK}</linux-name></interface-mapping></interfaces-mapping>"
            f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>{xr_name}</interface-name><ipv4>'
            f'<addresses xmlns="{IP_ADDRESS}"><address><address>{address}</address><netmask>{mask}</netmask></address>'
            "</addresses></ipv4></interface></interfaces>")


def tunnel(inner, mask, xr_name, destination, profile):
    return (f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>tunnel-ip1</interface-name><ipv4>'
            f'<addresses xmlns="{IP_ADDRESS}"><address><address>{inner}</address><netmask>{mask}</netmask></address>'
            f'</addresses></ipv4><tunnel xmlns="{TUNNEL}"><mode><ipsec><ipv4/></ipsec></mode>'
            f"<source><interface-name>{xr_name}</interface-name></source>"
            f"<destination><ipv4-address>{destination}</ipv4-address></destination>"
            f"<protection><ipsec><profile>{profile}</profile></ipsec></protection></tunnel></interface></interfaces>")


def keyring(name, peer, address, key, ppk="", identity=""):
    place = identity or f"<address>{address}</address><mask>255.255.255.0</mask>"
    return (f'<keyrings xmlns="{IKEV2}"><keyring><ikev2-keyring-name>{name}</ikev2-keyring-name><peers><peer>'
            f"<peer-name>{peer}</peer-name>{place}{ppk}"
            f"<pre-shared-key><password>{key}</password></pre-shared-key></peer></peers></keyring></keyrings>")


def ike_profile(name, address, body, match=""):
    match = match or (f"<addresses><address><remote-address>{address}</remote-address><mask>255.255.255.0</mask>"
                      "</address></addresses>")
    return (f'<ikev2 xmlns="{IKEV2}"><profile><ikev2-profile-names><ikev2-profile-name><ikev2-profile-name>{name}'
            f"</ikev2-profile-name><match><identity><remote>{match}</remote></identity></match>{body}"
            "</ikev2-profile-name></ikev2-profile-names></profile></ikev2>")


def protection(transform_set, transforms, profile, body):
    return (f'<ipsec xmlns="{IPSEC}"><transform-sets><transform-set><transform-set-name>{transform_set}'
            f"</transform-set-name><transform>{transforms}</transform><mode><tunnel/></mode></transform-set>"
            f"</transform-sets><profiles><profile><profile-name>{profile}</profile-name><set>{body}<transform-set>"
            f"<transform1>{transform_set}</transform1></transform-set></set></profile></profiles></ipsec>")


def up(ends, address, *agents):
    def check():
        assert ends.near.within(lambda: echo(address, 1)), "".join(
            agent.program.text()[-2500:] for agent in agents)
        return True

    eventually(check, 60)


def verify(agent, initiator, ike, ipsec):
    """What the guides verify: the session (`show ikev2 session`) and the SAs (`show ipsec sa interface`)."""
    with agent.manager("iosxr") as session:
        # The first keys of an IKE SA with a PPK are replaced at once.
        eventually(lambda: len(sessions(session)) == 1 and len(sessions(session)[0].findall("{*}sa")) == 1)
        (shown,) = sessions(session)
        top, sa = texts(shown), texts(shown.find("{*}sa"))
        assert (top["session-status"], top["ike-cnt"], top["child-cnt"]) == ("UP-ACTIVE", "1", "1")
        ike = {"state": "READY", "status-desc": "Negotiation done", "fvrf": "Default",
               "sa-initiator": "true" if initiator else "false", **ike}
        assert {name: sa[name] for name in ike} == ike
        child = texts(shown.find("{*}child-sa"))
        assert child["local-selector"] == child["remote-selector"] == "0.0.0.0/0 - 255.255.255.255/65535"
        (pair,) = pairs(session)
        leafs = texts(pair)
        ipsec = {"interface": "tunnel-ip1", "mode": "Tunnel", **ipsec}
        directions = {name: ipsec.pop(name) for name in ("encr", "auth")}
        assert {name: leafs[name] for name in ipsec} == ipsec
        for direction in ("in-sa", "out-sa"):
            found = texts(pair.find(f"{{*}}{direction}"))
            assert {name: found[name] for name in directions} == directions
        return top, sa


WITH_PPK = {"pfs-enabled": "No", "pfs-group": "None", "quantum-resistant": "Yes"}


def ppk_router(number, port, here, there, inner, ppk, transforms, responder):
    """One router of the PPK guide: example 1 is the manual one, example 3 the dynamic one."""
    return (
        interface(port, here, "255.255.255.0")
        + tunnel(inner, "255.255.255.224", port, there, f"test{number}")
        + keyring(f"k{number}", "init", "10.10.10.1", "0822455D0A16", ppk)
        + ike_profile(f"p{number}", there, f"<keyring>k{number}</keyring><keyring-ppk>k{number}</keyring-ppk>")
        + protection("ts3" if number == 3 else "ts1", transforms, f"test{number}",
                     f"<ikev2-profile>p{number}</ikev2-profile>" + ("<responder-only/>" if responder else "")))


def manual(password):
    return f"<ppk><manual><id>123</id><key><password>{password}</password></key><required/></manual></ppk>"


def test_manual_ppk_guide(tmp_path):
    with routers(tmp_path) as (ends, initiator, responder):
        transforms = "<esp-hmac-sha-256/><esp-192-aes/>"
        with responder.manager("iosxr") as session:
            ppk = manual("104D000A061843595F")
            commit(session, ppk_router(1, "GigabitEthernet0/1/0/0", "10.10.10.1",
                                       "10.10.10.3", "209.165.200.226", ppk, transforms, True))
        with initiator.manager("iosxr") as session, notifications(initiator) as notification:
            ppk = manual("060506324F41584B56")
            commit(session, ppk_router(1, "GigabitEthernet0/1/0/0", "10.10.10.3",
                                       "10.10.10.1", "209.165.200.225", ppk, transforms, False))
            assert notification("tunnel-up", 60).findtext("{*}quantum-resistance") == "manual-ppk"
        up(ends, "209.165.200.226", initiator, responder)
        for agent in (initiator, responder):
            verify(agent, agent is initiator, {"quantum-resistance": "Enabled with manual PPK"},
                   {**WITH_PPK, "encr": "ESP_192_AES", "auth": "HMAC_SHA_256"})


def test_dynamic_ppk_guide(tmp_path):
    with routers(tmp_path) as (ends, initiator, responder):
        # The key management entities of the guide are at 192.0.2.34, beside each router.
        for namespace in (ends.near, ends.far):
            namespace.ip("address", "add", "192.0.2.34/32", "dev", "lo")
        transforms = "<esp-hmac-sha-384/><esp-256-aes/>"
        ppk = "<ppk><dynamic><sks-profile>Qkd</sks-profile><required/></dynamic></ppk>"
        shared = tmp_path / "quantum-link"
        listen = ("--network-listen", str(shared))
        with kme_of(tmp_path / "a", ends.near, "Alice", "Bob", *listen) as alice, kme_of(
            tmp_path / "b", ends.far, "Bob", "Alice", "--network-join", str(shared)
        ) as bob:
            with responder.manager("iosxr") as session:
                commit(session, sks_profile("192.0.2.34", bob, "Qkd") + ppk_router(
                    3, "GigabitEthernet0/1/0/2", "10.10.10.1", "10.10.10.3",
                    "209.165.200.226", ppk, transforms, True))
            with initiator.manager("iosxr") as session, notifications(initiator) as notification:
                commit(session, sks_profile("192.0.2.34", alice, "Qkd") + ppk_router(
                    3, "GigabitEthernet0/1/0/2", "10.10.10.3", "10.10.10.1",
                    "209.165.200.225", ppk, transforms, False))
                assert notification("tunnel-up", 60).findtext("{*}quantum-resistance") == "dynamic-ppk"
            up(ends, "209.165.200.226", initiator, responder)
            for agent in (initiator, responder):
                verify(agent, agent is initiator, {"quantum-resistance": "Enabled with dynamic PPK"},
                       {**WITH_PPK, "encr": "ESP_256_AES", "auth": "HMAC_SHA_384"})


def management_router(number, here, there, inner, body="", match="", local="", peer=""):
    """One router of the guide on IPsec for management traffic; with names, as it goes on to show."""
    local = f"<identity><local><fqdn>{local}</fqdn></local></identity>" if local else ""
    tag = f"mgmt_P{number}"
    port = "MgmtEth0/RP0/CPU0/0"
    algorithms = (
        f'<ikev2 xmlns="{IKEV2}"><proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>'
        f"ikev2_proposal_{tag}</ikev2-proposal-name><prfs><prf>sha-256</prf></prfs><dh-groups><dh-group>20</dh-group>"
        "</dh-groups><integrities><integrity>sha-256</integrity></integrities><encryptions><encryption>aes-cbc-256"
        "</encryption></encryptions></ikev2-proposal-name></ikev2-proposal-names></proposal><policy>"
        f"<ikev2-policy-names><ikev2-policy-name><ikev2-policy-name>ikev2_policy_{tag}</ikev2-policy-name><match>"
        f"<address><locals><local><address>{here}</address></local></locals></address><fvrf><any/></fvrf></match><proposal>"
        f"<ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>ikev2_proposal_{tag}</ikev2-proposal-name>"
        "</ikev2-proposal-name></ikev2-proposal-names></proposal></ikev2-policy-name></ikev2-policy-names></policy>"
        "</ikev2>")
    return (
        interface(port, here, "255.255.255.0") + algorithms
        + keyring(f"key_{tag}", "Acadia", there, "!cisco123", identity=peer)
        + ike_profile(f"ikev2_prof_{tag}", there,
                      "<authentication><local><pre-shared/></local></authentication>"
                      f"<keyring>key_{tag}</keyring><lifetime>600</lifetime>{local}", match)
        + protection(f"ts_{tag}", "<esp-256-aes/><esp-hmac-sha-256/>", f"ipsec_prof_{tag}",
                     f"<ikev2-profile>ikev2_prof_{tag}</ikev2-profile><pfs><group19/></pfs><security-association>"
                     f"<lifetime><seconds>600</seconds></lifetime></security-association>{body}")
        + tunnel(inner, "255.255.255.0", port, there, f"ipsec_prof_{tag}"))


def by_name(name):
    return f"<fqdn><fqdns><fqdn-name>{name}</fqdn-name></fqdns></fqdn>"


def by_domain(name):
    return f"<fqdn-domain><fqdn-domains><fqdn-domain-name>{name}</fqdn-domain-name></fqdn-domains></fqdn-domain>"


NAMES = ("RouterA.example.com", "RouterB.example.com")
# What router 1 and router 2 match, how they name themselves, and how router 2's keyring names router 1.
IDENTITIES = {
    "addresses": ("", "", ("", ""), ""),
    "names": (by_name(NAMES[1]), by_name(NAMES[0]), NAMES, f"<identity><fqdn>{NAMES[0]}</fqdn></identity>"),
    "domains": (by_domain("example.com"), by_domain("EXAMPLE.com"), NAMES,
                "<identity><fqdn-domain>example.com</fqdn-domain></identity>"),
}


@pytest.mark.parametrize("identities", IDENTITIES)
def test_management_traffic_guide(tmp_path, identities):
    matches_first, matches_second, names, peer = IDENTITIES[identities]
    addresses = ("198.51.100.5", "198.51.100.21")
    with routers(tmp_path) as (ends, first, second):
        with second.manager("iosxr") as session:
            commit(session, management_router(
                2, *reversed(addresses), "192.0.2.2", "<responder-only/>", matches_second, names[1], peer))
        with first.manager("iosxr") as session:
            commit(session, management_router(1, *addresses, "192.0.2.1", "", matches_first, names[0]))
        up(ends, "192.0.2.2", first, second)
        shown = [name or address for name, address in zip(names, addresses)]
        for agent, here, there in ((first, *shown), (second, *reversed(shown))):
            ike = {"encr": "AES-CBC", "keysize": "256", "prf": "SHA256", "hash": "SHA256", "dh-group": "20",
                   "auth-sign": "PSK", "auth-verify": "PSK", "local-id": here, "remote-id": there,
                   "quantum-resistance": "Disabled"}
            _, sa = verify(agent, agent is first, ike, {"encr": "ESP_256_AES", "auth": "HMAC_SHA_256"})
            assert sa["life-active"].startswith("600/")


@contextlib.contextmanager
def kme_of(directory, namespace, system, other, *options):
    """One key management entity in a namespace; its port at 192.0.2.34."""
    directory.mkdir()
    key = directory / "key.hex"
    key.write_text(b"kmesim-lab".hex())
    program = Program(
        [*namespace.launcher(), BUILD / "kmesim", "serve", "--listen", "192.0.2.34:10001",
         "--psk-id", "lab", "--psk-key-file", key, "--local-id", system, "--remote-id", other, *options],
        directory / "kmesim.log")
    try:
        yield program.line()["port"]
    finally:
        program.stop()
