# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Names, domains and certificates as identities of tunnels."""

import subprocess

import ipseclab
import pytest
from conftest import BASE
from ipsecconfig import FAR, IKEV2, NEAR, commit, configuration, swanctl
from ipseclab import far_charon, is_up, notifications
from lxml import etree
from ncclient.operations.rpc import RPCError

pytestmark = ipseclab.needed


def test_names_and_domains_as_identities(near, ends, tmp_path):
    text = swanctl(FAR, NEAR, local_id="host7.site.example.com", remote_id="near.example.org")
    with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
        domain = ("<fqdn-domain><fqdn-domains><fqdn-domain-name>{}</fqdn-domain-name></fqdn-domains></fqdn-domain>")
        local = "<identity><local><fqdn>near.example.org</fqdn></local></identity>"
        # A domain does not stand for another that ends alike.
        commit(session, configuration(NEAR, FAR, match=domain.format("te.example.com"), local_identity=local))
        notification("negotiation-failed")
        assert not ends.ping(1)
        commit(session, f'<ikev2 xmlns="{IKEV2}"><profile><ikev2-profile-names><ikev2-profile-name>'
                        f'<ikev2-profile-name>p1</ikev2-profile-name><match xmlns:nc="{BASE}" nc:operation="replace">'
                        f'<identity><remote>{domain.format("SITE.example.com")}</remote></identity></match>'
                        "</ikev2-profile-name></ikev2-profile-names></profile></ikev2>")
        is_up(ends, near, far)
        assert "host7.site.example.com" in near.program.text()


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


def test_certificates_of_a_trustpoint(near, ends, tmp_path):
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
    with far_charon(tmp_path, ends, text) as far, near.manager() as session:
        with pytest.raises(RPCError) as caught:
            commit(session, configuration(NEAR, FAR, before=trustpoint.format(""), **arguments))
        assert "certificate" in etree.tostring(caught.value.xml, encoding="unicode")
        commit(session, configuration(NEAR, FAR, before=trustpoint.format(mine), **arguments))
        is_up(ends, near, far)
        assert "far.example.org" in near.program.text()
        # The private key is nowhere but sealed: not beside charon either.
        line = files["near.key"].splitlines()[3]
        for folder in (near.data, near.charon_directory):
            for file in folder.rglob("*"):
                if file.is_file() and not file.is_socket():
                    assert line.encode() not in file.read_bytes(), file
