# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The clients that network engineers use: OpenSSH, ncclient (two device handlers), netconf-console2."""

import pathlib
import subprocess
import sys

import pytest
from conftest import BASE, ROOT, SKS
from lxml import etree
from ncclient.operations.rpc import RPCError
from rawclient import RawSession

PROFILE = f"""<config xmlns="{BASE}"><sks-server xmlns="{SKS}"><profiles><profile{{operation}}>
<profile-name>{{name}}</profile-name><type><remote><kme><server>
<ipv4>127.0.0.1</ipv4><port>{{port}}</port></server></kme></remote></type>
</profile></profiles></sks-server></config>"""


def profile(name, port=10001, operation=""):
    if operation:
        operation = f' xmlns:nc="{BASE}" nc:operation="{operation}"'
    return PROFILE.format(name=name, port=port, operation=operation)


def ports(reply):
    return [e.text for e in etree.fromstring(reply.encode()).iter(f"{{{SKS}}}port")]


@pytest.mark.parametrize("device", ["default", "iosxr"])
def test_ncclient_edits_commits_and_reads(shared_agent, device):
    with shared_agent.manager(device) as session:
        assert "urn:ietf:params:netconf:base:1.1" in session.server_capabilities
        assert "urn:ietf:params:netconf:capability:candidate:1.0" in session.server_capabilities
        with session.locked("candidate"):
            session.edit_config(target="candidate", config=profile("one"))
            session.validate("candidate")
            session.commit()
        read = session.get_config("running", filter=("subtree", f'<sks-server xmlns="{SKS}"/>')).data_xml
        assert ports(read) == ["10001"]
        session.edit_config(target="candidate", config=profile("one", 10002))
        assert ports(session.get_config("candidate").data_xml) == ["10002"]
        assert ports(session.get_config("running").data_xml) == ["10001"]
        session.discard_changes()
        assert ports(session.get_config("candidate").data_xml) == ["10001"]
        session.edit_config(target="candidate", config=profile("one", operation="delete"))
        session.commit()
        assert ports(session.get_config("running").data_xml) == []


def test_errors_name_what_is_wrong(shared_agent):
    with shared_agent.manager() as session:
        with pytest.raises(RPCError) as caught:
            session.edit_config(target="candidate", config=profile("absent", operation="delete"))
        assert caught.value.tag == "data-missing"
        assert "profile-name='absent'" in caught.value.path
        with pytest.raises(RPCError) as caught:
            session.edit_config(target="candidate", config=profile("bad", port=0))
        assert caught.value.tag == "invalid-value"
        assert caught.value.path.endswith("port")
        with pytest.raises(RPCError) as caught:
            session.edit_config(target="candidate", config=profile("bad").replace("<ipv4>127.0.0.1</ipv4>", "<x/>"))
        assert caught.value.tag == "unknown-element"
        session.discard_changes()
        # A must that refers to a leaf that is not there: found at validation, named with its rule.
        session.edit_config(target="candidate", config=profile("half").replace("<ipv4>127.0.0.1</ipv4>", ""))
        with pytest.raises(RPCError) as caught:
            session.commit()
        assert caught.value.tag == "operation-failed"
        assert caught.value._app_tag == "must-violation"
        assert caught.value.path.endswith("port")
        session.discard_changes()


def test_locks_are_kept_between_sessions(shared_agent):
    with shared_agent.manager() as first, shared_agent.manager() as second:
        first.lock("candidate")
        with pytest.raises(RPCError) as caught:
            second.lock("candidate")
        assert caught.value.tag == "lock-denied"
        assert first.session_id in etree.tostring(caught.value.xml).decode()
        with pytest.raises(RPCError):
            second.edit_config(target="candidate", config=profile("two"))
        second.kill_session(first.session_id)
        second.lock("candidate")
        second.unlock("candidate")


def test_get_schema_hands_out_the_files(shared_agent):
    with shared_agent.manager() as session:
        text = session.get_schema("Cisco-IOS-XR-um-sks-server-cfg").data
        file = next((ROOT / "yang").rglob("Cisco-IOS-XR-um-sks-server-cfg@*.yang"))
        assert text == file.read_text()
        listed = session.get(
            ("subtree", '<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><schemas/></netconf-state>')
        ).data_xml
        for module in (ROOT / "yang").rglob("*.yang"):
            assert module.name.split("@")[0].removesuffix(".yang") in listed


def test_a_password_opens_a_session(shared_agent):
    with shared_agent.manager(username="oper", password="sesame street", key_filename=None) as session:
        assert session.get_config("running").ok


def test_a_password_in_clear_text_is_stored_as_its_hash(agent):
    system = "urn:ietf:params:xml:ns:yang:ietf-system"
    write = f"""<config xmlns="{BASE}"><system xmlns="{system}"><authentication><user><name>guest</name>
        <password>$0$open sesame</password></user></authentication></system></config>"""

    def stored(session, datastore):
        return session.get_config(datastore, filter=("subtree", f'<system xmlns="{system}"/>')).data_xml

    with agent.manager() as session:
        session.edit_config(write, target="candidate")
        assert "sesame" not in stored(session, "candidate")
        session.commit()
        before = stored(session, "running")
        assert "$6$" in before and "sesame" not in before
        # The same password once more keeps its hash: no change.
        session.edit_config(write, target="candidate")
        session.commit()
        assert stored(session, "running") == before
        session.edit_config(write.replace("open sesame", "another"), target="candidate")
        session.commit()
        assert stored(session, "running") != before
        with pytest.raises(RPCError) as refused:
            session.edit_config(write.replace("open sesame", ""), target="candidate")
        assert refused.value.tag == "invalid-value"
    with agent.manager(username="guest", password="another", key_filename=None) as session:
        assert session.connected


def test_a_wrong_password_does_not(shared_agent):
    from ncclient.transport.errors import AuthenticationError

    for user, password in [("oper", "sesame"), ("nobody", "sesame street"), ("admin", "")]:
        with pytest.raises(AuthenticationError):
            with shared_agent.manager(username=user, password=password, key_filename=None):
                pass


@pytest.mark.parametrize("versions", [("1.0",), ("1.0", "1.1")])
def test_openssh(shared_agent, versions):
    with RawSession(shared_agent.ssh(), versions) as session:
        assert session.chunked == ("1.1" in versions)
        assert "<data" in session.rpc("<get-config><source><running/></source></get-config>")
        assert "<ok/>" in session.rpc("<close-session/>")
        assert session.is_closed()


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"])
def test_every_host_key(shared_agent, algorithm):
    with RawSession(shared_agent.ssh("-o", f"HostKeyAlgorithms={algorithm}")) as session:
        assert "<ok/>" in session.rpc("<close-session/>")


def test_openssh_shell_is_refused(shared_agent):
    command = shared_agent.ssh()
    command = [a for a in command if a not in ("-s", "netconf")] + ["ls"]
    done = subprocess.run(command, capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode != 0


def test_netconf_console(shared_agent):
    # Without a configuration file it takes 'admin' for the key's passphrase.
    configuration = shared_agent.directory / "ssh_config"
    configuration.write_text("")

    def console(*arguments):
        done = subprocess.run(
            [str(pathlib.Path(sys.executable).parent / "netconf-console2"), "--host", "127.0.0.1", "--port",
             str(shared_agent.port), "--ssh-config", str(configuration), "-u", "admin", "--privKeyFile", str(shared_agent.key), *arguments],
            capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    assert "candidate:1.0" in console("--hello")
    assert "<data" in console("--get-config")
    def content(config):
        return etree.tostring(etree.fromstring(config)[0], encoding="unicode")

    # Its --get and --get-config with a path send XPath filters, which need the :xpath capability; a file always works.
    request = shared_agent.directory / "edit.xml"
    request.write_text(content(profile("console")))
    assert "ok" in console("--db", "candidate", "--edit-config", str(request), "--commit")
    assert ports(console("--get-config")) == ["10001"]
    request.write_text(content(profile("console", operation="remove")))
    console("--db", "candidate", "--edit-config", str(request), "--commit")
