# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A known secret is written in every way there is, and looked for in every file, log and reply."""

import re

from conftest import SKS
from rawclient import RawSession

SECRET = "Xq7correcthorsebatterystapleZ"
READ = f'<sks-server xmlns="{SKS}"/>'


def psk(written):
    return (
        f'<edit-config><target><candidate/></target><config><sks-server xmlns="{SKS}"><profiles><profile>'
        "<profile-name>p</profile-name><type><remote><kme><server><ipv4>127.0.0.1</ipv4><port>9</port></server>"
        f"<psk><id>R1</id><key><seven>{written}</seven></key></psk></kme></remote></type></profile></profiles>"
        "</sks-server></config></edit-config>"
    )


def test_a_secret_is_nowhere_in_clear(agent):
    replies = []
    with RawSession(agent.ssh()) as session:
        def ask(body):
            replies.append(session.rpc(body))
            return replies[-1]

        assert "<ok/>" in ask(psk("!" + SECRET))
        assert "<ok/>" in ask("<commit/>")
        read = ask(f"<get-config><source><running/></source><filter>{READ}</filter></get-config>")
        encoded = re.search(r"<seven>([^<]*)</seven>", read).group(1)
        assert re.fullmatch(r"\d\d([0-9A-F]{2})+", encoded)
        # Writing what was read, and the clear text again, is no change.
        assert "<ok/>" in ask(psk(encoded))
        assert "<ok/>" in ask("<commit/>")
        assert encoded in ask(f"<get-config><source><running/></source><filter>{READ}</filter></get-config>")
        # Errors near the secret do not repeat it.
        assert "rpc-error" in ask(psk("!" + SECRET).replace("<id>R1</id>", "<id></id>"))
        assert "rpc-error" in ask(psk("!" + SECRET + "<x/>"))
        assert "rpc-error" in ask(psk("!" + SECRET * 8))
        ask("<discard-changes/>")
        ask("<get/>")
    agent.stop()
    agent.start()
    with RawSession(agent.ssh()) as session:
        again = session.rpc(f"<get-config><source><running/></source><filter>{READ}</filter></get-config>")
        assert encoded in again
    agent.stop()
    for reply in replies:
        assert SECRET not in reply
    files = [f for f in agent.directory.rglob("*") if f.is_file()]
    assert any(f.suffix == ".db" for f in files)
    for file in files:
        data = file.read_bytes()
        assert SECRET.encode() not in data, file
        assert encoded.encode() not in data, file
    for file in agent.data.rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, f"{file} is open to others"
