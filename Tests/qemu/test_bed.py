# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The bed itself: the guest has the kernel's features for which it is there, and commands and files get in and out."""

import pytest
from bed import CommandFailed


def test_the_guest_has_what_the_data_planes_need(boot, tmp_path):
    (tmp_path / "note").write_text("brought in\n")
    with boot(add=[f"{tmp_path / 'note'}:/root/note"]) as guest:
        guest.run("ip link add name v0 type veth peer name v1")
        guest.run("ip link add link v0 name m0 type macsec")
        guest.run("ip link add name x0 type xfrm if_id 7")
        guest.run("ip link add name d0 type dummy")
        guest.run("ip xfrm state && test -c /dev/net/tun")
        assert guest.run("cat /root/note") == "brought in\n"
        assert guest.run("echo a; echo b") == "a\nb\n"
        with pytest.raises(CommandFailed):
            guest.run("exit 3")
        guest.run("head -c 5000 /dev/zero >/out/zeros")
        assert guest.read("/out/zeros") == bytes(5000)
