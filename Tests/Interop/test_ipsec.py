# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Tunnels: what NETCONF configures on one or two agents comes up against charons, and carries packets."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import ipseclab
import pytest
from conftest import BASE, BUILD, SKS, SKS_OPER, Program, eventually
from ipseclab import (
    AGENTD_IPSEC, FAR, IKEV2, INNER, INTERFACE, IP_ADDRESS, IPSEC, NEAR, TUNNEL, NamespaceAgent, Namespaces,
    PlainCharon, Wire, ip,
)
from lxml import etree
from ncclient.operations.rpc import RPCError

pytestmark = pytest.mark.skipif(bool(ipseclab.missing()), reason=ipseclab.missing() or "it can run")

PSK_HEX = "0123456789abcdef0123456789abcdef"
PPK_HEX = "fedcba9876543210fedcba9876543210"


def manual_ppk(key=PPK_HEX, id="ppk1", required=True):
    need = "<required/>" if required else ""
    return f"<ppk><manual><id>{id}</id><key><password>!{key}</password></key>{need}</manual></ppk>"


def dynamic_ppk(profile="kme", required=True, remote=""):
    need = "<required/>" if required else ""
    system = f'<remote-system-id xmlns="{AGENTD_IPSEC}">{remote}</remote-system-id>' if remote else ""
    return f"<ppk><dynamic><sks-profile>{profile}</sks-profile>{need}{system}</dynamic></ppk>"


def configuration(local, remote, *, psk=PSK_HEX, ppk="", responder=False, source=None, match=None, local_identity="",
                  authentication="", trustpoint="", ike_lifetime=None, child_lifetime=None, before="", number=1):
    """All that one tunnel needs, as the published guides write it."""
    match = match or (f"<addresses><address><remote-address>{remote}</remote-address><mask>255.255.255.255</mask>"
                      "</address></addresses>")
    key = f"<pre-shared-key><password>!{psk}</password></pre-shared-key>" if psk else ""
    trust = (f"<pki><trustpoints><trustpoint><trustpoint-name>{trustpoint}</trustpoint-name></trustpoint>"
             "</trustpoints></pki>") if trustpoint else ""
    source = source or f"<ipv4-address>{local}</ipv4-address>"
    return f"""
      {before}
      <keyrings xmlns="{IKEV2}"><keyring><ikev2-keyring-name>k{number}</ikev2-keyring-name><peers><peer>
        <peer-name>other</peer-name><address>{remote}</address><mask>255.255.255.255</mask>{key}{ppk}
      </peer></peers></keyring></keyrings>
      <ikev2 xmlns="{IKEV2}">
        <proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>pr</ikev2-proposal-name>
          <encryptions><encryption>aes-cbc-256</encryption></encryptions>
          <integrities><integrity>sha-256</integrity></integrities><prfs><prf>sha-256</prf></prfs>
          <dh-groups><dh-group>20</dh-group></dh-groups>
        </ikev2-proposal-name></ikev2-proposal-names></proposal>
        <policy><ikev2-policy-names><ikev2-policy-name><ikev2-policy-name>po</ikev2-policy-name>
          <match><address><locals><local><address>{local}</address></local></locals></address></match>
          <proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>pr</ikev2-proposal-name>
          </ikev2-proposal-name></ikev2-proposal-names></proposal>
        </ikev2-policy-name></ikev2-policy-names></policy>
        <profile><ikev2-profile-names><ikev2-profile-name><ikev2-profile-name>p{number}</ikev2-profile-name>
          <match><identity><remote>{match}</remote></identity></match>{local_identity}
          {f"<lifetime>{ike_lifetime}</lifetime>" if ike_lifetime else ""}
          {f"<keyring>k{number}</keyring>" if psk else ""}{f"<keyring-ppk>k{number}</keyring-ppk>" if ppk else ""}
          {trust}{authentication}
        </ikev2-profile-name></ikev2-profile-names></profile>
        <global><dpd>10</dpd><dpd-retry-interval>2</dpd-retry-interval><retransmission>2</retransmission></global>
      </ikev2>
      <ipsec xmlns="{IPSEC}">
        <transform-sets><transform-set><transform-set-name>ts{number}</transform-set-name>
          <transform><esp-hmac-sha-256/><esp-256-aes/></transform><mode><tunnel/></mode></transform-set>
        </transform-sets>
        <profiles><profile><profile-name>ip{number}</profile-name><set>
          <transform-set><transform1>ts{number}</transform1></transform-set><ikev2-profile>p{number}</ikev2-profile>
          {f"<security-association><lifetime><seconds>{child_lifetime}</seconds></lifetime></security-association>"
           if child_lifetime else ""}
          {"<responder-only/>" if responder else ""}
        </set></profile></profiles>
      </ipsec>
      <interfaces xmlns="{INTERFACE}"><interface><interface-name>tunnel-ip{number}</interface-name>
        {addresses(local)}
        <tunnel xmlns="{TUNNEL}"><source>{source}</source>
          <destination><ipv4-address>{remote}</ipv4-address></destination><mode><ipsec><ipv4/></ipsec></mode>
          <protection><ipsec><profile>ip{number}</profile></ipsec></protection></tunnel>
      </interface></interfaces>"""


def addresses(local):
    return (f'<ipv4><addresses xmlns="{IP_ADDRESS}"><address><address>{INNER[local]}</address>'
            "<netmask>255.255.255.252</netmask></address></addresses></ipv4>")


def commit(session, body, operation="merge"):
    # Parts of one container come one after the other, as an operator's automation sends them.
    try:
        for part in etree.fromstring(f"<parts>{body}</parts>"):
            session.edit_config(
                target="candidate", default_operation=operation,
                config=f'<config xmlns="{BASE}">{etree.tostring(part, encoding="unicode")}</config>')
        session.commit()
    except RPCError:
        session.discard_changes()
        raise


def swanctl(local, remote, *, ppk="", auth="psk", remote_auth="psk", local_id=None, remote_id=None, psk=PSK_HEX,
            extra="", secrets="", child="", local_extra="", remote_extra=""):
    """The far end, as its administrator writes it."""
    return f"""
connections {{ far {{
  version = 2
  local_addrs = {local}
  remote_addrs = {remote}
  proposals = aes256-sha256-ecp384
  {extra}
  local {{ auth = {auth}
    id = {local_id or local}
    {local_extra} }}
  remote {{ auth = {remote_auth}
    id = {remote_id or remote}
    {remote_extra} }}
  children {{ c {{
    local_ts = 0.0.0.0/0
    remote_ts = 0.0.0.0/0
    esp_proposals = aes256-sha256
    {child} }} }} }} }}
secrets {{
  ike-1 {{ id = {remote_id or remote}
    secret = "{psk}" }}
  {ppk}
  {secrets} }}
"""


def plain_ppk(key=PPK_HEX, id="ppk1"):
    return f'ppk-1 {{ id = {id}\n    secret = "{key}" }}'


@pytest.fixture
def namespaces():
    it = Namespaces()
    yield it
    it.remove()


@pytest.fixture
def near(tmp_path, namespaces):
    it = NamespaceAgent(tmp_path / "near", namespaces.near).start()
    yield it
    it.end()


@contextlib.contextmanager
def far_charon(tmp_path, namespaces, text):
    it = PlainCharon(tmp_path, namespaces.far, INNER[FAR], text)
    try:
        yield it
    finally:
        it.end()


@contextlib.contextmanager
def far_agent(tmp_path, namespaces):
    it = NamespaceAgent(tmp_path / "far", namespaces.far).start()
    try:
        yield it
    finally:
        it.end()


def is_up(namespaces, agent, charon=None, limit=30):
    """Waits until the tunnel carries packets."""
    def check():
        assert namespaces.ping(1), agent.program.text()[-3000:] + (charon.text()[-3000:] if charon else "")
        return True

    return eventually(check, limit)


def test_preshared_key_and_packets_protected_on_the_wire(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far, near.manager() as session:
        assert near.charon is None, "without tunnels there is no charon"
        commit(session, configuration(NEAR, FAR))
        is_up(namespaces, near, far)
        with Wire(namespaces) as wire:
            assert namespaces.ping(5)
            eventually(lambda: wire.esp() >= 10, 5)
        assert not wire.has(b"clear text of a ping")
        assert "ppk=yes" not in far.sas()
        # The last tunnel takes charon with it.
        commit(session, f'<interfaces xmlns="{INTERFACE}"><interface xmlns:nc="{BASE}" nc:operation="delete">'
                        "<interface-name>tunnel-ip1</interface-name></interface></interfaces>")
        eventually(lambda: near.charon is None)
        eventually(lambda: "ESTABLISHED" not in far.sas())


def test_a_refused_commit_tells_everything_with_its_place(near):
    with near.manager() as session:
        body = configuration(NEAR, FAR).replace("<transform1>ts1<", "<transform1>ts9<").replace(
            "<profile>ip1</profile>", "<profile>ip9</profile>")
        with pytest.raises(RPCError) as caught:
            commit(session, body)
        text = "".join(etree.tostring(e.xml, encoding="unicode") if hasattr(e, "xml") else str(e)
                       for e in getattr(caught.value, "errors", [caught.value]))
        assert "there is no transform set" in text and "ts9" in text
        assert "there is no IPsec profile" in text and "ip9" in text
        # As a router does, if it is told so: the tunnel stays down.
        commit(session, body.replace(
            f'<ikev2 xmlns="{IKEV2}">', f'<ikev2 xmlns="{IKEV2}"><reference-check xmlns="{AGENTD_IPSEC}">warn'
            "</reference-check>"))
        eventually(lambda: "there is no IPsec profile 'ip9'" in near.program.text())
        # What a tunnel can be besides is not in the schema, or refused.
        with pytest.raises(RPCError):
            commit(session, f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>tunnel-ip1</interface-name>'
                            f'<tunnel xmlns="{TUNNEL}"><tos>7</tos></tunnel></interface></interfaces>')


def test_manual_ppk_required(near, namespaces, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(), extra="ppk_id = ppk1\n  ppk_required = yes")
    with far_charon(tmp_path, namespaces, text) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
        is_up(namespaces, near, far)
        assert "ppk=yes" in far.sas()
        assert "Enabled with manual PPK" in near.program.text()


@contextlib.contextmanager
def notifications(agent):
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


def test_wrong_preshared_key_is_told_and_mended(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR, psk="x" * 32)) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR))
            failed = notification("negotiation-failed")
            assert failed.findtext("{*}interface-name") == "tunnel-ip1"
            assert failed.findtext("{*}kind") == "authentication"
            assert not namespaces.ping(1)
            far.load(swanctl(FAR, NEAR))
            up = notification("tunnel-up", limit=40)
            assert up.findtext("{*}quantum-resistance") == "disabled"
            assert up.findtext("{*}remote-identity") == FAR
        is_up(namespaces, near, far)


def test_wrong_manual_ppk(near, namespaces, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk("0" * 32), extra="ppk_id = ppk1\n  ppk_required = yes")
    with far_charon(tmp_path, namespaces, text) as far, near.manager() as session, notifications(near) as notification:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
        notification("negotiation-failed")
        assert not namespaces.ping(1)
        assert "ESTABLISHED" not in far.sas()


def test_a_far_end_without_ppk_falls_back_only_where_none_is_required(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
            failed = notification("negotiation-failed")
            assert failed.findtext("{*}kind") == "ppk"
            assert not namespaces.ping(1)
            commit(session, configuration(NEAR, FAR, ppk=manual_ppk(required=False)).replace(
                "<manual>", f'<manual xmlns:nc="{BASE}" nc:operation="replace">'))
            notification("ppk-fallback")
        is_up(namespaces, near, far)


def test_a_killed_agent_takes_no_tunnel_along_and_adopts_it(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far:
        with near.manager() as session:
            commit(session, configuration(NEAR, FAR))
        is_up(namespaces, near, far)
        charon, sas = near.charon, far.sas()
        spi = sas.split("initiator-spi=")[1].split()[0]
        near.stop(signal.SIGKILL)
        assert namespaces.ping(5)
        near.start()
        eventually(lambda: "charon adopted" in near.program.text())
        assert namespaces.ping(5)
        time.sleep(2)
        assert near.charon == charon
        assert spi in far.sas(), "the session is the same"
        # Stopped in good order, too.
        near.stop()
        assert namespaces.ping(5)
        near.start()
        assert namespaces.ping(5)
        assert near.charon == charon


def test_a_killed_charon_comes_back_with_all_that_is_configured(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR))
        is_up(namespaces, near, far)
        with notifications(near) as notification:
            os.kill(near.charon, signal.SIGKILL)
            began = time.monotonic()
            assert "charon" in notification("tunnel-down").findtext("{*}reason")
            notification("tunnel-up")
            assert time.monotonic() - began < 5
        is_up(namespaces, near, far)


@contextlib.contextmanager
def kmes(directory, address, *options):
    """Alice's and Bob's KME, by their ports at one address; and their control."""
    program = Program([*ipseclab_netns(address), BUILD / "kmesim", "lab", "--a", f"{address[1]}:0", "--b",
                       f"{address[1]}:0", *options], directory / "kmesim.log")
    try:
        ports = {}
        while len(ports) < 2:
            ready = program.line()
            if ready.get("instance") in ("A", "B"):
                ports[ready["instance"]] = ready["port"]
        yield ports
    finally:
        program.stop()


def ipseclab_netns(address):
    return ["/usr/sbin/ip", "netns", "exec", address[0]]


def sks_profile(address, port, name="kme"):
    return (f'<sks-server xmlns="{SKS}"><profiles><profile><profile-name>{name}</profile-name><type><remote><kme>'
            f"<server><ipv4>{address}</ipv4><port>{port}</port></server><psk><id>lab</id><key>"
            "<seven>!kmesim-lab</seven></key></psk></kme></remote></type></profile></profiles></sks-server>")


def test_dynamic_ppk_between_two_agents(near, namespaces, tmp_path):
    with kmes(tmp_path, (namespaces.near, NEAR)) as kme, far_agent(tmp_path, namespaces) as far:
        with far.manager() as there, near.manager() as here, notifications(near) as notification:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(remote="Alice"), responder=True,
                                        before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(remote="Bob"),
                                       before=sks_profile(NEAR, kme["A"])))
            up = notification("tunnel-up", limit=40)
            assert up.findtext("{*}quantum-resistance") == "dynamic-ppk"
            assert up.findtext("{*}interface-name") == "tunnel-ip1"
            # The keyring's peer is a client of the profile.
            state = here.get(("subtree", f'<sks xmlns="{SKS_OPER}"/>')).data_xml.encode()
            assert etree.fromstring(state).findtext(".//{*}reg-client-count") == "1"
        is_up(namespaces, near)
        assert "Enabled with dynamic PPK" in far.program.text()


def test_dynamic_ppk_with_both_ends_beginning(near, namespaces, tmp_path):
    with kmes(tmp_path, (namespaces.near, NEAR)) as kme, far_agent(tmp_path, namespaces) as far:
        with far.manager() as there, near.manager() as here:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
        is_up(namespaces, near, limit=60)
        for agent in (near, far):
            eventually(lambda: "Enabled with dynamic PPK" in agent.program.text())


def test_dynamic_ppk_with_the_kme_down_and_back(near, namespaces, tmp_path):
    with far_agent(tmp_path, namespaces) as far, far.manager() as there, near.manager() as here:
        with kmes(tmp_path, (namespaces.near, NEAR)) as kme:
            ports = kme
        commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), responder=True, before=sks_profile(NEAR, ports["B"])))
        with notifications(near) as notification:
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, ports["A"])))
            failed = notification("ppk-fetch-failed", limit=60)
            assert "kme" in failed.findtext("{*}reason")
        assert not namespaces.ping(1)


def test_dynamic_ppk_from_a_slow_kme_and_with_keys_that_get_lost(near, namespaces, tmp_path):
    # The far end's KME answers late, and never hears of the first two keys.
    faults = ("--fault", "delay,milliseconds=1500,call=key-by-id", "--fault", "synchronisation-loss,call=key,count=2")
    with kmes(tmp_path, (namespaces.near, NEAR), *faults) as kme, far_agent(tmp_path, namespaces) as far:
        with far.manager() as there, near.manager() as here, notifications(far) as told, notifications(near) as up:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), responder=True,
                                        before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
            assert "kme" in told("ppk-fetch-failed", limit=60).findtext("{*}reason")
            assert up("tunnel-up", limit=120).findtext("{*}quantum-resistance") == "dynamic-ppk"
        is_up(namespaces, near)


def test_a_dynamic_ppk_that_is_not_required_is_done_without_when_the_kme_is_down(near, namespaces, tmp_path):
    with kmes(tmp_path, (namespaces.near, NEAR)) as kme:
        ports = kme
    with far_agent(tmp_path, namespaces) as far, far.manager() as there, near.manager() as here:
        with notifications(near) as notification:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(required=False), responder=True,
                                        before=sks_profile(NEAR, ports["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(required=False),
                                       before=sks_profile(NEAR, ports["A"])))
            notification("ppk-fetch-failed", limit=60)
            notification("ppk-fallback", limit=30)
        is_up(namespaces, near)


def test_names_and_domains_as_identities(near, namespaces, tmp_path):
    text = swanctl(FAR, NEAR, local_id="host7.site.example.com", remote_id="near.example.org")
    with far_charon(tmp_path, namespaces, text) as far, near.manager() as session:
        domain = ("<fqdn-domain><fqdn-domains><fqdn-domain-name>{}</fqdn-domain-name></fqdn-domains></fqdn-domain>")
        local = "<identity><local><fqdn>near.example.org</fqdn></local></identity>"
        # A domain does not stand for another that ends alike.
        commit(session, configuration(NEAR, FAR, match=domain.format("te.example.com"), local_identity=local))
        time.sleep(4)
        assert "ESTABLISHED" not in far.sas()
        commit(session, f'<ikev2 xmlns="{IKEV2}"><profile><ikev2-profile-names><ikev2-profile-name>'
                        f'<ikev2-profile-name>p1</ikev2-profile-name><match xmlns:nc="{BASE}" nc:operation="replace">'
                        f'<identity><remote>{domain.format("SITE.example.com")}</remote></identity></match>'
                        "</ikev2-profile-name></ikev2-profile-names></profile></ikev2>")
        is_up(namespaces, near, far)
        assert "host7.site.example.com" in near.program.text()


def test_responder_only_waits_to_be_asked(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR, responder=True))
        eventually(lambda: "charon is ready" in near.program.text())
        time.sleep(3)
        assert far.sas().strip() == "list-sas reply {}" or "list-sa event" not in far.sas()
        far.swanctl("--initiate", "--child", "c")
        is_up(namespaces, near, far)


def test_new_keys_of_both_sas_under_traffic_lose_nothing(near, namespaces, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(), extra="ppk_id = ppk1\n  ppk_required = yes")
    with far_charon(tmp_path, namespaces, text) as far, near.manager() as session, notifications(near) as notification:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
        is_up(namespaces, near, far)
        result = {}

        def traffic():
            result["all"] = ipseclab.within(namespaces.near, lambda: ipseclab.echo(INNER[FAR], 250, 0.02))

        thread = threading.Thread(target=traffic)
        thread.start()
        for words in (("--child", "c"), ("--ike", "far"), ("--child", "c")):
            far.swanctl("--rekey", *words)
            time.sleep(1)
        thread.join()
        assert result["all"], "an echo request was lost"
        scopes = {notification("tunnel-rekeyed").findtext("{*}scope") for _ in range(3)}
        assert scopes == {"ike-sa", "child-sa"}
        assert "ppk=yes" in far.sas()


def test_a_far_end_that_vanishes_is_noticed_and_found_again(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR))
            notification("tunnel-up")
            namespaces.cut()
            # 10 s of silence, then three requests 2 s apart.
            notification("tunnel-down", limit=60)
            namespaces.mend()
            notification("tunnel-up", limit=120)
        is_up(namespaces, near, far, limit=60)


def test_agent_and_charon_killed_at_once(near, namespaces, tmp_path):
    with far_charon(tmp_path, namespaces, swanctl(FAR, NEAR)) as far:
        with near.manager() as session:
            commit(session, configuration(NEAR, FAR))
        is_up(namespaces, near, far)
        os.kill(near.charon, signal.SIGKILL)
        near.stop(signal.SIGKILL)
        near.start()
        is_up(namespaces, near, far)


def test_a_tunnel_follows_the_address_of_its_source_interface(near, namespaces, tmp_path):
    other = "192.0.2.11"
    both = swanctl(FAR, NEAR).replace("remote_addrs = " + NEAR, f"remote_addrs = {NEAR},{other}").replace(
        f"id = {NEAR}\n", "id = near.example.org\n")
    mapping = ('<interfaces-mapping xmlns="urn:agentd:yang:agentd-interfaces"><interface-mapping>'
               f"<xr-name>GigabitEthernet0/1/0/2</xr-name><linux-name>{namespaces.links[namespaces.near]}</linux-name>"
               "</interface-mapping></interfaces-mapping>")
    local = "<identity><local><fqdn>near.example.org</fqdn></local></identity>"
    with far_charon(tmp_path, namespaces, both) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR, before=mapping, local_identity=local,
                                      source="<interface-name>GigabitEthernet0/1/0/2</interface-name>"))
        is_up(namespaces, near, far)
        link = namespaces.links[namespaces.near]
        ip("-n", namespaces.near, "address", "flush", "dev", link)
        ip("-n", namespaces.near, "address", "add", f"{other}/24", "dev", link)
        eventually(lambda: f"remote-host={other}" in far.sas() and "INSTALLED" in far.sas(), 60)
        is_up(namespaces, near, far)


def test_the_userspace_data_plane_carries_one_tunnel_and_says_so(near):
    with near.manager() as session:
        if "xfrm" in near.program.text():
            pytest.skip("this kernel has XFRM interfaces")
        two = configuration(NEAR, FAR) + configuration(NEAR, "192.0.2.3", number=2).replace(
            f"<address>{INNER[NEAR]}</address>", "<address>172.16.1.1</address>")
        with pytest.raises(RPCError) as caught:
            commit(session, two)
        assert "one route-based tunnel" in str(caught.value)


def openssl(directory, *words):
    subprocess.run(["/usr/bin/openssl", *map(str, words)], cwd=directory, check=True, capture_output=True)


def certificates(directory):
    """A root, an intermediate below it, a certificate of near from the intermediate, and one of far from the root."""
    directory.mkdir()
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem",
            "-days", "2", "-subj", "/CN=root", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(name, authority, extension):
        openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")
        (directory / f"{name}.ext").write_text(extension)
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
                f"{authority}.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem", "-extfile", f"{name}.ext")

    issue("middle", "root", "basicConstraints=critical,CA:TRUE\n")
    issue("near", "middle", "subjectAltName=DNS:near.example.org\n")
    issue("far", "root", "subjectAltName=DNS:far.example.org\n")
    return {file.name: file.read_text() for file in directory.iterdir()}


def test_certificates_of_a_trustpoint(near, namespaces, tmp_path):
    files = certificates(tmp_path / "pki")
    text = swanctl(FAR, NEAR, auth="pubkey", remote_auth="pubkey", local_id="far.example.org",
                   remote_id="near.example.org", local_extra="certs = far.pem").split("secrets {")[0]
    plain = tmp_path / "plain"
    for folder, names in (("x509", ["far.pem"]), ("x509ca", ["root.pem"]), ("private", ["far.key"])):
        (plain / folder).mkdir(parents=True)
        for name in names:
            (plain / folder / name).write_text(files[name])
    crypto = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-crypto-cfg"
    trustpoint = (f'<crypto xmlns="{crypto}"><ca><trustpoint><trustpoints><trustpoint><trustpoint-name>tp'
                  '</trustpoint-name>{}</trustpoint></trustpoints></trustpoint></ca></crypto>')
    mine = (f'<ca-certificates xmlns="urn:agentd:yang:agentd-crypto">{files["root.pem"]}</ca-certificates>'
            f'<certificate xmlns="urn:agentd:yang:agentd-crypto">{files["near.pem"]}{files["middle.pem"]}</certificate>'
            f'<private-key xmlns="urn:agentd:yang:agentd-crypto">{files["near.key"]}</private-key>')
    arguments = dict(
        psk="", trustpoint="tp", local_identity="<identity><local><fqdn>near.example.org</fqdn></local></identity>",
        match="<fqdn><fqdns><fqdn-name>far.example.org</fqdn-name></fqdns></fqdn>",
        authentication="<authentication><local><rsa-signature/></local><remote><rsa-signature/></remote>"
                       "</authentication>")
    with far_charon(tmp_path, namespaces, text) as far, near.manager() as session:
        with pytest.raises(RPCError) as caught:
            commit(session, configuration(NEAR, FAR, before=trustpoint.format(""), **arguments))
        assert "certificate" in etree.tostring(caught.value.xml, encoding="unicode")
        commit(session, configuration(NEAR, FAR, before=trustpoint.format(mine), **arguments))
        is_up(namespaces, near, far)
        assert "far.example.org" in near.program.text()
        # The private key is nowhere but sealed: not beside charon either.
        line = files["near.key"].splitlines()[3]
        for folder in (near.data, near.charon_directory):
            for file in folder.rglob("*"):
                if file.is_file() and not file.is_socket():
                    assert line.encode() not in file.read_bytes(), file
