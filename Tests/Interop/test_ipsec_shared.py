# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A charon that others start (`--charon SOCKET`), with connections, secrets and a private key of theirs."""

import contextlib
import signal
import subprocess
import time

import ipseclab
import pytest
import vici
from conftest import eventually
from ipsecconfig import (
    FAR, NEAR, commit, configuration, dynamic_ppk, interface, manual_ppk, plain_ppk, sks_profile, swanctl,
)
from ipseclab import Traffic, far_charon, kmes, notifications
from plaincharon import PlainCharon
from test_ipsec_dynamic import PLUGIN, far_text, key_for

pytestmark = ipseclab.needed
OTHERS = """
connections { others { version = 2
  local_addrs = 192.0.2.1
  remote_addrs = 192.0.2.77
  local { auth = psk
    id = here.example.org }
  remote { auth = psk
    id = there.example.org }
  children { others { local_ts = 198.51.100.0/24
    remote_ts = 203.0.113.0/24 } } } }
secrets { ike-others { id = there.example.org
    secret = "a secret of others" } }
"""


class Shared:
    """A charon at the near end that an administrator has configured for something else, and an agent that uses it."""

    def __init__(self, directory, ends, **options):
        self.agent = ipseclab.TunnelAgent(directory / "near", ends.near)
        # The agent gives charon's device its address.
        self.charon = PlainCharon(directory / "shared", ends.near, None, **options)
        private = self.charon.directory / "private"
        private.mkdir()
        subprocess.run(["openssl", "genrsa", "-out", private / "others.key", "2048"], check=True, capture_output=True)
        self.charon.load(OTHERS)
        (self.key,) = vici.command(self.charon.socket, "get-keys")["keys"]

    def start(self):
        self.agent.start("--charon", self.charon.socket)

    def connections(self):
        return self.charon.swanctl("--list-conns", "--raw")

    def secrets(self):
        return " ".join(vici.command(self.charon.socket, "get-shared")["keys"])

    def has_what_others_gave_it(self):
        keys = vici.command(self.charon.socket, "get-keys")["keys"]
        return "others {" in self.connections() and self.key in keys and "ike-others" in self.secrets()


@contextlib.contextmanager
def shared_charon(directory, ends, **options):
    it = Shared(directory, ends, **options)
    try:
        it.start()
        yield it
    finally:
        it.agent.end()
        it.charon.end()


def test_it_is_configured_and_what_others_have_in_it_stays(ends, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(), extra="ppk_id = ppk1\n  ppk_required = yes")
    with shared_charon(tmp_path, ends) as near, far_charon(tmp_path, ends, text) as far:
        with near.agent.manager() as session, notifications(near.agent) as notification:
            commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
            notification("tunnel-up")
            # The first keys of the IKE SA are replaced at once, for the PPK.
            assert notification("tunnel-rekeyed").findtext("{*}scope") == "ike-sa"
            eventually(lambda: ends.ping(1))
            assert near.agent.charon is None, "the agent has started none of its own"
            assert near.has_what_others_gave_it()
        with Traffic(ends) as traffic:
            near.agent.stop(signal.SIGKILL)
            time.sleep(0.5)
            near.start()
            eventually(lambda: near.agent.program.text().count("charon is ready") == 2)
            # What a second agent would do to what it finds, it does within that time.
            time.sleep(1)
            near.agent.stop()
            near.start()
            eventually(lambda: near.agent.program.text().count("charon is ready") == 3)
            time.sleep(1)
        assert len(traffic.sent) > 100 and traffic.lost == []
        assert far.text().count("parsed IKE_SA_INIT request") == 1, "the session is the same"
        assert near.has_what_others_gave_it()
        with near.agent.manager() as session:
            # The last tunnel goes, and with it all that is ours: the charon stays.
            commit(session, interface("tunnel-ip1", operation="delete"))
            eventually(lambda: "agentd:" not in near.connections() and "ESTABLISHED" not in far.sas())
            eventually(lambda: "agentd" not in near.secrets())
        assert near.charon.process.poll() is None
        assert near.has_what_others_gave_it()


def test_it_may_come_later_and_end_and_come_back(ends, tmp_path):
    with shared_charon(tmp_path, ends) as near, far_charon(tmp_path, ends, swanctl(FAR, NEAR)):
        near.charon.kill()
        near.agent.stop()
        near.start()
        with near.agent.manager() as session, notifications(near.agent) as notification:
            commit(session, configuration(NEAR, FAR))
            time.sleep(1)
            near.charon.start()
            notification("tunnel-up")
            near.charon.kill()
            assert notification("tunnel-down").findtext("{*}reason")
            near.charon.start()
            began = time.monotonic()
            notification("tunnel-up")
            assert time.monotonic() - began < 5
            eventually(lambda: ends.ping(1))


def test_its_plugin_asks_our_agent(ends, tmp_path):
    if not PLUGIN.exists():
        pytest.skip(f"{PLUGIN} is not built (charon-plugin/build)")
    socket = f"/run/charon.{ends.near.name}/agentd.ppk"
    options = dict(load="agentd-ppk", preload=str(PLUGIN), plugins=f"agentd-ppk {{ socket = {socket} }}")
    with kmes(tmp_path, ends) as kme, shared_charon(tmp_path, ends, **options) as near:
        fetched = kme.get("B", "/key?remoteSystemID=Alice")
        text = far_text(key_for(fetched["keyId"], fetched["key"]), fetched["keyId"])
        with far_charon(tmp_path, ends, text) as far, near.agent.manager() as session:
            commit(session, configuration(NEAR, FAR, ppk=dynamic_ppk(), responder=True,
                                          before=sks_profile(NEAR, kme["A"])))
            eventually(lambda: "agentd:tunnel-ip1:1" in near.connections())
            far.swanctl("--initiate", "--child", "c")
            assert "ppk=yes" in far.sas()
            eventually(lambda: ends.ping(1))
