# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Manual PPKs (RFC 8784) against a charon that swanctl configures."""

import ipseclab
import pytest
from conftest import BASE, eventually
from ipsecconfig import FAR, NEAR, PPK_HEX, commit, configuration, manual_ppk, plain_ppk, swanctl
from ipseclab import far_charon, is_up, notifications

pytestmark = ipseclab.needed


def test_manual_ppk_required(near, ends, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(), extra="ppk_id = ppk1\n  ppk_required = yes")
    with far_charon(tmp_path, ends, text) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
        is_up(ends, near, far)
        assert "ppk=yes" in far.sas()
        assert "Enabled with manual PPK" in near.program.text()


@pytest.mark.parametrize("required", [True, False], ids=["required", "not required"])
def test_another_key_under_the_same_id_is_refused(near, ends, tmp_path, required):
    # Whoever knows the ID and not the key is not let in without: only an end that does not know the ID goes without.
    need = "yes" if required else "no"
    text = swanctl(FAR, NEAR, ppk=plain_ppk("0" * 32), extra=f"ppk_id = ppk1\n  ppk_required = {need}")
    with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk(required=required)))
        assert notification("negotiation-failed").findtext("{*}kind") == "authentication"
        assert not ends.ping(1)
        assert "ESTABLISHED" not in far.sas()
        # The right key under that ID, and it comes up.
        far.load(text.replace("0" * 32, PPK_HEX))
        assert notification("tunnel-up").findtext("{*}quantum-resistance") == "manual-ppk"
        assert "ppk=yes" in far.sas()


@pytest.mark.parametrize("required", [True, False], ids=["required", "not required"])
def test_an_id_that_the_far_end_does_not_know(near, ends, tmp_path, required):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(id="ppk2"), extra="ppk_required = no")
    with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk(required=required)))
        if required:
            # The far end does not say why.
            assert notification("negotiation-failed").findtext("{*}kind") == "authentication"
            assert not ends.ping(1)
            eventually(lambda: "ESTABLISHED" not in far.sas())
        else:
            notification("ppk-fallback")
            is_up(ends, near, far)
            assert "ppk=yes" not in far.sas()


def test_a_far_end_without_ppk_falls_back_only_where_none_is_required(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
            failed = notification("negotiation-failed")
            assert failed.findtext("{*}kind") == "ppk"
            assert not ends.ping(1)
            commit(session, configuration(NEAR, FAR, ppk=manual_ppk(required=False)).replace(
                "<manual>", f'<manual xmlns:nc="{BASE}" nc:operation="replace">'))
            notification("ppk-fallback")
        is_up(ends, near, far)
