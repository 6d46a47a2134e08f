# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Fresh PPKs of a key service while a session lives, and what becomes of one that gets none."""

import signal

import ipseclab
import pytest
from conftest import eventually
from ipsecconfig import FAR, NEAR, commit, configuration, dynamic_ppk, sks_profile
from ipseclab import Traffic, far_agent, is_up, kmes, notifications
from test_ipsec_dynamic import PLUGIN
from test_ipsec_oper import tunnel

pytestmark = [ipseclab.needed,
              pytest.mark.skipif(not PLUGIN.exists(), reason="charon's plugin has not been built: make charon-plugin")]


def test_a_session_that_lives_gets_fresh_ppks_without_interruption(near, ends, tmp_path):
    fresh = "<refresh-interval>20</refresh-interval>"
    with kmes(tmp_path, ends) as kme, far_agent(tmp_path, ends) as far, far.manager() as there:
        with near.manager() as here, notifications(near) as told, notifications(far) as heard:
            # Both may begin: the one that did goes on to.
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(lifetime=fresh), before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(lifetime=fresh), before=sks_profile(NEAR, kme["A"])))
            is_up(ends, near, limit=60)
            ids = []
            with Traffic(ends) as traffic:
                while len(ids) < 2:
                    ids.append(told("ppk-renewed", limit=60).findtext("{*}ppk-id"))
                    assert heard("ppk-renewed", limit=10).findtext("{*}ppk-id") == ids[-1]
                    up = tunnel(here)
                    assert up.findtext("{*}quantum-resistance") == "dynamic-ppk"
                    assert up.findtext("{*}ppk-renewal/{*}ppk-id") == ids[-1]
                    assert int(up.findtext("{*}ppk-renewal/{*}renewals")) == len(ids)
            # charon's userspace data plane uses the old SA until it ends: what is under way just then may be lost.
            assert len(traffic.lost) <= len(ids), f"of {len(traffic.sent)} were lost: {traffic.lost[:9]}"
            assert len(traffic.sent) > 500
            assert len(set(ids)) == 2 and None not in ids, ids
            for session in (here, there):
                renewal = tunnel(session).find("{*}ppk-renewal")
                assert int(renewal.findtext("{*}ppk-age")) < 40
                assert renewal.findtext("{*}failures") == "0"
                assert renewal.findtext("{*}last-renewal")
        # An agent that restarts drops nothing, and goes on where the one before was.
        near.stop(signal.SIGKILL)
        near.start()
        with near.manager() as here, notifications(near) as told:
            told("ppk-renewed", limit=60)
            assert tunnel(here).findtext("{*}times-up") == "1"
            assert ends.ping(3)


def test_a_session_outlives_its_kme_until_its_ppk_is_too_old(near, ends, tmp_path):
    limits = "<refresh-interval>20</refresh-interval><maximum-age>60</maximum-age>"
    with far_agent(tmp_path, ends) as far, far.manager() as there, near.manager() as here, kmes(tmp_path, ends) as kme:
        with notifications(near) as told:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), responder=True,
                                        before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(lifetime=limits), before=sks_profile(NEAR, kme["A"])))
            told("tunnel-up", limit=60)
            kme.stop()
            failed = told("ppk-renewal-failed", limit=60)
            assert "kme" in failed.findtext("{*}reason") and failed.findtext("{*}failures") == "1"
            assert told("ppk-age-alarm").findtext("{*}is-exhausted") == "false"
            assert ends.ping(3), "the session goes on with the key that it has"
            assert tunnel(here).findtext("{*}ppk-renewal/{*}failures") == "1"
            assert told("ppk-age-alarm").findtext("{*}is-exhausted") == "true"
            assert "maximum age" in told("tunnel-down").findtext("{*}reason")
        eventually(lambda: not ends.ping(1), 10)


def test_a_session_that_came_up_without_its_ppk_gets_one(near, ends, tmp_path):
    with far_agent(tmp_path, ends) as far, far.manager() as there, near.manager() as here, kmes(tmp_path, ends) as kme:
        kme.stop()
        with notifications(near) as told:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(required=False), responder=True,
                                        before=sks_profile(NEAR, kme["B"])))
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(required=False), before=sks_profile(NEAR, kme["A"])))
            told("ppk-fallback", limit=60)
            is_up(ends, near)
            assert tunnel(here).findtext("{*}quantum-resistance") == "disabled"
            assert tunnel(here).findtext("{*}events/{*}ppk-fallbacks") == "1"
            kme.start()
            with Traffic(ends) as traffic:
                assert told("ppk-renewed", limit=180).findtext("{*}ppk-id")
            assert len(traffic.lost) <= 1, traffic.lost[:9]
            assert tunnel(here).findtext("{*}quantum-resistance") == "dynamic-ppk"
