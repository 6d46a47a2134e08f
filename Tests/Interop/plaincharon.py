# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A charon that swanctl configures, as an administrator would who does not have our agent."""

import contextlib
import os
import pathlib
import subprocess

from conftest import eventually

CHARON, SWANCTL = "/usr/sbin/charon-systemd", "/usr/sbin/swanctl"
TUN = "ipsec0"
PLUGINS = ("random nonce openssl aes sha1 sha2 hmac kdf gmp x509 revocation constraints pubkey pkcs1 pkcs7 pkcs8 pem "
           "drbg gcm kernel-libipsec kernel-netlink socket-default vici counters")


class PlainCharon:
    """A charon in a namespace, with userspace ESP over its TUN device.

    Without a configuration nothing is loaded. `inner` is the device's address, if it is not to be another's business.
    `settings` are of strongswan.conf's section charon, `plugins` of its
    section plugins; `load` are plugins besides the usual ones, and `preload` is a shared object that brings one.
    """

    def __init__(self, directory, namespace, inner, configuration="", *, settings="", plugins="", load="", preload=""):
        self.namespace = namespace
        self.directory = pathlib.Path(directory) / "plain"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket = f"/run/charon.plain-{namespace.name}.vici"
        self.inner = inner
        self.log = self.directory / "charon.log"
        (self.directory / "strongswan.conf").write_text(f"""
charon {{
  load = {PLUGINS} {load}
  routing_table_prio = 40000
  install_routes = no
  retransmit_tries = 2
  retransmit_timeout = 1
  {settings}
  filelog {{ l {{ path = {self.log}
    default = 1
    flush_line = yes }} }}
  plugins {{ vici {{ socket = unix://{self.socket} }}
    {plugins} }}
}}
charon-systemd {{ journal {{ default = -1 }} }}
""")
        self.preload = preload
        self.start()
        if configuration:
            self.load(configuration)

    def start(self):
        preload = ["/usr/bin/env", f"LD_PRELOAD={self.preload}"] if self.preload else []
        self.process = subprocess.Popen(
            [*self.namespace.launcher(), *preload, CHARON],
            env={**os.environ, "STRONGSWAN_CONF": str(self.directory / "strongswan.conf")},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        eventually(lambda: os.path.exists(self.socket), 20)
        eventually(lambda: self.namespace.link(TUN), 20)
        if self.inner:
            self.namespace.ip("address", "add", f"{self.inner}/30", "dev", TUN)
            self.namespace.ip("link", "set", TUN, "up")

    def load(self, configuration):
        file = self.directory / "swanctl.conf"
        file.write_text(configuration)
        self.swanctl("--load-all", "--file", str(file))

    def swanctl(self, *words, check=True):
        done = subprocess.run(
            [SWANCTL, *words, "--uri", f"unix://{self.socket}"], capture_output=True, text=True,
            env={**os.environ, "SWANCTL_DIR": str(self.directory)}, timeout=60,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"swanctl {words}: {done.stdout}{done.stderr}\n{self.text()[-2000:]}")
        return done.stdout

    def sas(self):
        return self.swanctl("--list-sas", "--raw")

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.unlink(self.socket)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with contextlib.suppress(OSError):
            os.unlink(self.socket)
