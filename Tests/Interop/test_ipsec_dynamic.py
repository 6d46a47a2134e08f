# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Dynamic PPKs (RFC 8784): keys of simulated KMEs, between two agents, and with a charon that is given them by hand."""

import ipseclab
import pytest
from conftest import BUILD, SKS_OPER, eventually
from ipsecconfig import (
    FAR, NEAR, commit, configuration, dynamic_ppk, plain_ppk, sks_profile, swanctl,
)
from ipseclab import agent_at, far_agent, far_charon, is_up, kmes, notifications
from lxml import etree

pytestmark = ipseclab.needed
# Beside the agent's program, where the agent takes it from.
PLUGIN = BUILD.resolve().parents[1] / "charon-plugin" / "libstrongswan-agentd-ppk.so"


def test_dynamic_ppk_between_two_agents(near, ends, tmp_path):
    with kmes(tmp_path, ends) as kme, far_agent(tmp_path, ends) as far:
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
        is_up(ends, near)
        assert "Enabled with dynamic PPK" in far.program.text()


def test_dynamic_ppk_with_both_ends_beginning(near, ends, tmp_path):
    with kmes(tmp_path, ends) as kme, far_agent(tmp_path, ends) as far:
        with far.manager() as there, near.manager() as here:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
        is_up(ends, near, limit=60)
        for agent in (near, far):
            eventually(lambda: "Enabled with dynamic PPK" in agent.program.text())


def test_dynamic_ppk_with_the_kme_down_and_back(near, ends, tmp_path):
    with far_agent(tmp_path, ends) as far, far.manager() as there, near.manager() as here, kmes(tmp_path, ends) as kme:
        kme.stop()
        commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), responder=True, before=sks_profile(NEAR, kme["B"])))
        with notifications(near) as notification:
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
            failed = notification("ppk-fetch-failed", limit=60)
            assert "kme" in failed.findtext("{*}reason")
            assert not ends.ping(1)
            kme.start()
            assert notification("tunnel-up", limit=90).findtext("{*}quantum-resistance") == "dynamic-ppk"
        is_up(ends, near)


def test_dynamic_ppk_from_a_slow_kme_and_with_a_key_that_gets_lost(near, ends, tmp_path):
    # The far end's KME answers late, and never hears of the first key.
    faults = ("--fault", "delay,milliseconds=1500,call=key-by-id", "--fault", "synchronisation-loss,call=key,count=1")
    with kmes(tmp_path, ends, *faults) as kme, far_agent(tmp_path, ends) as far:
        with far.manager() as there, near.manager() as here, notifications(far) as told, notifications(near) as up:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), responder=True,
                                        before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
            assert "kme" in told("ppk-fetch-failed", limit=60).findtext("{*}reason")
            assert up("tunnel-up", limit=120).findtext("{*}quantum-resistance") == "dynamic-ppk"
        is_up(ends, near)


def test_a_dynamic_ppk_that_is_not_required_is_done_without_when_the_kme_is_down(near, ends, tmp_path):
    with kmes(tmp_path, ends) as kme:
        ports = kme
    with far_agent(tmp_path, ends) as far, far.manager() as there, near.manager() as here:
        with notifications(near) as notification:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(required=False), responder=True,
                                        before=sks_profile(NEAR, ports["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(required=False),
                                       before=sks_profile(NEAR, ports["A"])))
            notification("ppk-fetch-failed", limit=60)
            notification("ppk-fallback", limit=30)
        is_up(ends, near)


def far_text(ppk="", ppk_id=""):
    """A charon that demands a PPK; as an initiator it needs to be told which."""
    name = f"ppk_id = keyid:{ppk_id}" if ppk_id else ""
    # One that nobody names: without any, a responder does not even offer to use PPKs.
    return swanctl(FAR, NEAR, ppk=ppk or plain_ppk(id="unused"), extra=f"{name}\n  ppk_required = yes")


def key_for(id, key):
    return plain_ppk(f"0x{key}", id).replace(f"id = {id}", f"id-1 = {id}\n    id-2 = keyid:{id}")


def test_a_plain_charon_is_given_the_key_that_our_initiator_names(near, ends, tmp_path):
    with kmes(tmp_path, ends) as kme, far_charon(tmp_path, ends, far_text()) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
            # Its administrator reads which key is missed, and fetches it from the other KME.
            notification("negotiation-failed", limit=60)
            assert "ESTABLISHED" not in far.sas()
            id = far.text().split("PPK required but no PPK found for '")[1].split("'")[0]
            fetched = kme.get("B", f"/key/{id}?remoteSystemID=Alice")
            assert fetched["keyId"] == id
            far.load(far_text(key_for(id, fetched["key"])))
            # The key is offered again before a fresh one is taken.
            assert notification("tunnel-up", limit=30).findtext("{*}quantum-resistance") == "dynamic-ppk"
        is_up(ends, near, far)
        assert "ppk=yes" in far.sas() and f"using PPK for PPK_ID '{id}'" in far.text()


@pytest.mark.parametrize("plugin", [True, False], ids=["plugin", "no plugin"])
def test_a_plain_charon_names_a_key_that_our_responder_fetches(ends, tmp_path, plugin):
    if plugin and not PLUGIN.exists():
        pytest.skip(f"{PLUGIN} is not built (charon-plugin/build)")
    options = ("--charon-plugin", PLUGIN if plugin else "none")
    with kmes(tmp_path, ends) as kme, agent_at(tmp_path / "near", ends.near, *options) as near:
        fetched = kme.get("B", "/key?remoteSystemID=Alice")
        text = far_text(key_for(fetched["keyId"], fetched["key"]), fetched["keyId"])
        with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
            commit(session, configuration(NEAR, FAR, ppk=dynamic_ppk(), responder=True,
                                          before=sks_profile(NEAR, kme["A"])))
            eventually(lambda: "agentd:tunnel-ip1:1" in near.swanctl("--list-conns", "--raw"))
            shown = session.get(("subtree", '<ipsec-state xmlns="urn:agentd:yang:agentd-ipsec-oper"><charon/>'
                                            "</ipsec-state>")).data_xml.encode()
            assert etree.fromstring(shown).findtext(".//{*}ppk-look-up") == (
                "on-demand" if plugin else "at-next-attempt")
            first = far.swanctl("--initiate", "--child", "c", check=False)
            assert ("initiate completed successfully" in first) == plugin, first
            if not plugin:
                # The key is there as soon as it was missed.
                eventually(lambda: "agentd-dynamic:" + fetched["keyId"] in near.secrets())
                far.swanctl("--initiate", "--child", "c")
            assert notification("tunnel-up").findtext("{*}quantum-resistance") == "dynamic-ppk"
            is_up(ends, near, far)
            assert "ppk=yes" in far.sas()
            # Its work is done.
            eventually(lambda: fetched["keyId"] not in near.secrets())


def test_a_key_that_the_kme_does_not_know_lets_nobody_in(near, ends, tmp_path):
    with kmes(tmp_path, ends) as kme:
        text = far_text(key_for("0123456789abcdef", "00" * 32), "0123456789abcdef")
        with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
            commit(session, configuration(NEAR, FAR, ppk=dynamic_ppk(), responder=True,
                                          before=sks_profile(NEAR, kme["A"])))
            eventually(lambda: "agentd:tunnel-ip1:1" in near.swanctl("--list-conns", "--raw"))
            far.swanctl("--initiate", "--child", "c", check=False)
            assert "does not give key 0123456789abcdef" in notification("ppk-fetch-failed").findtext("{*}reason")
            assert "ESTABLISHED" not in far.sas() and not ends.ping(1)
