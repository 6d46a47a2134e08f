#!/usr/bin/env python3
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A bed for tests that need a kernel with MACsec, XFRM interfaces or dummy links: Debian's kernel in QEMU.

    with Guest(add=[".build/debug/agentd"], modules=["xfrm_interface"]) as guest:
        print(guest.run("ip link add name t type xfrm if_id 7 && ip -d link show t"))

or, on the command line, `bed.py [--add FILE[:PLACE]]... [--module NAME]... COMMAND`, which ends as COMMAND ends in the
guest, or with 77 and one line when the machine has no QEMU or no kernel can be had.

The processor is emulated (TCG): no /dev/kvm is needed. Nothing is installed: the kernel's package is unpacked into
`.qemu` of the work tree. The guest has busybox, dash, ip, tc and kmod, programs added with their libraries, the network
of QEMU with forwarded ports where `forwards` asks for it, and a shell on a serial line, by which commands get in.
"""

import argparse
import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from initramfs import Archive  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("AGENTD_QEMU", ROOT / ".qemu"))
# What the models' data planes need, and the network.
MODULES = (
    "veth dummy tun 8021q macsec bonding xfrm_user xfrm_interface esp4 esp6 xfrm4_tunnel authenc drbg "
    "jitterentropy_rng echainiv seqiv gcm ctr cmac ghash-generic sha512_generic sha1_generic af_packet virtio_pci "
    "virtio_net virtio_blk virtio_console nf_tables nft_ct sch_ingress cls_u32 cls_flower cls_matchall act_gact "
    "sch_netem"
).split()
SKIPPED = 77
INIT = """#!/bin/dash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/busybox HOME=/root TERM=dumb LANG=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm; mount -t devpts pts /dev/pts; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm; mkdir -p /run/netns /out /root
echo 0 >/proc/sys/kernel/printk_ratelimit; echo 3 >/proc/sys/kernel/printk
for m in $(cat /etc/modules); do modprobe -q "$m" || true; done
ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
  ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
fi
hostname guest
exec 3<>/dev/ttyS1
stty raw -echo <&3
echo agentd-guest-ready >/dev/console
export PS1= PS2=
while :; do dash +m <&3 >&3 2>/dev/null; done
"""


class Unavailable(Exception):
    """What the machine lacks, in one line."""


class CommandFailed(AssertionError):
    """A command in the guest ended with something else than 0."""


def _fetch(folder):
    """Unpacks the package of Debian's kernel into a folder."""
    if shutil.which("apt-get") is None:
        raise Unavailable("no apt-get, so Debian's kernel cannot be fetched")
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        os.chmod(work, 0o755)
        said = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True)
        names = [w for w in said.stdout.split() if w.startswith("linux-image-") and w != "linux-image-cloud-amd64"]
        if not names:
            raise Unavailable("apt knows no linux-image-cloud-amd64 (apt-get update?)")
        done = subprocess.run(["apt-get", "download", names[0]], cwd=work, capture_output=True, text=True)
        packages = list(pathlib.Path(work).glob("*.deb"))
        if done.returncode != 0 or not packages:
            raise Unavailable(f"{names[0]} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
        unpacked = pathlib.Path(work) / "kernel"
        subprocess.run(["dpkg", "-x", packages[0], unpacked], check=True)
        version = next((unpacked / "lib" / "modules").iterdir()).name
        subprocess.run(["/sbin/depmod", "-b", unpacked, version], check=True)
        (unpacked / "version").write_text(version)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(unpacked, folder)


def kernel():
    """The folder of the unpacked kernel and its version; it is fetched with the first use."""
    for tool in ("qemu-system-x86_64", "depmod", "busybox"):
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise Unavailable(f"{tool} is not installed (Debian: qemu-system-x86, kmod, busybox-static)")
    folder = CACHE / "kernel"
    CACHE.mkdir(exist_ok=True)
    # Of tests that run at once, one fetches it.
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "version").exists():
            _fetch(folder)
    return folder, (folder / "version").read_text()


def _closure(folder, version, wanted):
    """The modules that the wanted ones need, by the lists that depmod made."""
    base = folder / "lib" / "modules" / version
    needs = {}
    for line in (base / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[pathlib.Path(path).name.split(".")[0].replace("-", "_")] = [path, *rest.split()]
    found = {}
    for name in wanted:
        for path in needs.get(name.replace("-", "_"), []):
            found[path] = base / path
    return found


class Guest:
    """A running guest. `run` carries out commands in it; leaving the block switches it off.

    `forwards` are TCP ports of the guest by ports of 127.0.0.1; a list of such makes as many network devices. The first
    one, eth0, has the address 10.0.2.15; so may each of the others, once it is in a namespace of its own.
    """

    def __init__(self, add=(), modules=(), forwards=None, memory=768, start_limit=300):
        self.folder, self.version = kernel()
        self.networks = [dict(one) for one in (forwards if isinstance(forwards, list) else [forwards or {}])]
        self.memory = memory
        self.start_limit = start_limit
        self.modules = [*MODULES, *modules]
        self.add = [*add]
        self.process = self._line = None

    def _archive(self):
        archive = Archive()
        for place in ("/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/out", "/var/run"):
            archive.directory(place)
        archive.text("/init", INIT, 0o755)
        archive.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        archive.text("/etc/group", "root:x:0:\n")
        archive.text("/etc/hosts", "127.0.0.1 localhost\n")
        busybox = shutil.which("busybox")
        archive.file(busybox, "/busybox/busybox")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            archive.link(f"/busybox/{applet}", "busybox")
        archive.file("/bin/dash", "/bin/dash")
        archive.link("/bin/sh", "dash")
        for tool in ("ip", "tc", "bridge", "tcpdump", "nft"):
            path = shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin")
            if path:
                archive.file(os.path.realpath(path), f"/usr/sbin/{tool}")
        archive.link("/sbin/ip", "/usr/sbin/ip")
        archive.link("/usr/bin/ip", "/usr/sbin/ip")
        archive.file(shutil.which("kmod", path="/usr/bin:/bin"), "/bin/kmod")
        for tool in ("modprobe", "insmod", "lsmod", "rmmod"):
            archive.link(f"/sbin/{tool}", "/bin/kmod")
        base = f"/lib/modules/{self.version}"
        for path, source in _closure(self.folder, self.version, self.modules).items():
            archive.file(source, f"{base}/{path}")
        for table in (self.folder / "lib" / "modules" / self.version).glob("modules.*"):
            archive.file(table, f"{base}/{table.name}")
        # Links are made by who wants them.
        archive.text("/etc/modprobe.d/agentd.conf", "options dummy numdummies=0\noptions bonding max_bonds=0\n")
        archive.text("/etc/modules", "\n".join(self.modules) + "\n")
        for one in self.add:
            source, _, place = str(one).partition(":")
            archive.tree(source, place or None)
        return archive.content

    def __enter__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="agentd-qemu-"))
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self):
        initramfs = self.work / "initramfs"
        initramfs.write_bytes(self._archive())
        shell = self.work / "shell"
        networks = []
        for number, forwards in enumerate(self.networks):
            ports = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards.items())
            networks += ["-netdev", f"user,id=n{number},restrict=on{ports}"]
            networks += ["-device", f"virtio-net-pci,netdev=n{number},romfile="]
        self.console = self.work / "console.log"
        self.process = subprocess.Popen(
            [
                "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", str(self.memory),
                "-display", "none", "-monitor", "none", "-no-reboot", "-initrd", initramfs,
                "-kernel", next((self.folder / "boot").glob("vmlinuz-*")),
                "-append", "console=ttyS0 quiet panic=-1 net.ifnames=0", "-serial", f"file:{self.console}",
                "-serial", f"unix:{shell},server=on,wait=off",
                *networks,
            ],
            stdin=subprocess.DEVNULL, stdout=open(self.work / "qemu.log", "wb"), stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + self.start_limit
        while not shell.exists():
            self._check(deadline)
            time.sleep(0.05)
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(shell))
        # busybox prefers its own applets to programs of the PATH: what it starts (setsid, timeout) needs whole paths.
        # What is sent before the line is set up may be lost or echoed.
        while "agentd-guest-ready" not in self.text():
            self._check(deadline)
            time.sleep(0.1)
        self.run("true")

    def _check(self, deadline):
        if self.process.poll() is not None:
            raise AssertionError(f"QEMU ended: {(self.work / 'qemu.log').read_text(errors='replace')[-2000:]}")
        if time.monotonic() > deadline:
            raise AssertionError(f"the guest does not come up; its console:\n{self.text()[-3000:]}")

    def text(self):
        """What the kernel wrote on its console."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def run(self, command, limit=60, check=True):
        """Carries out shell text in a shell of its own in the guest; what it wrote.

        Another end than 0 raises, unless check is false.
        """
        mark = f"end-{time.monotonic_ns()}"
        # The end is put together in the guest, so that no echo of the command is taken for it.
        self._line.sendall(f"( {command}\n) </dev/null 2>&1; printf '\\n%s%s %s\\n' end- {mark[4:]} $?\n".encode())
        deadline = time.monotonic() + limit
        said = b""
        while True:
            rest = deadline - time.monotonic()
            if rest <= 0:
                raise TimeoutError(f"no end within {limit} s: {command}\n{said.decode(errors='replace')[-3000:]}")
            self._line.settimeout(min(rest, 1))
            try:
                more = self._line.recv(65536)
            except TimeoutError:
                if self.process.poll() is not None:
                    raise AssertionError(f"the guest died; its console:\n{self.text()[-3000:]}") from None
                continue
            said += more
            text = said.decode(errors="replace")
            place = text.find(f"\n{mark} ")
            if place >= 0 and "\n" in text[place + 1:]:
                status = int(text[place + len(mark) + 2:].split()[0])
                # What an earlier command without an end left behind does not belong to this one.
                output = text[:place].split("\n", 1)[-1] if text.startswith("\nend-") else text[:place]
                if check and status != 0:
                    raise CommandFailed(f"{command}: {status}\n{output[-4000:]}")
                self.status = status
                return output

    def read(self, place, limit=60):
        """The bytes of a file in the guest."""
        import base64

        return base64.b64decode(self.run(f"base64 {place}", limit))

    def __exit__(self, *_):
        if self._line:
            self._line.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="Runs a command in a guest with Debian's kernel.")
    parser.add_argument(
        "--add", action="append", default=[], metavar="FILE[:PLACE]", help="a file or folder for the guest")
    parser.add_argument("--module", action="append", default=[], help="a kernel module to load besides the usual ones")
    parser.add_argument("--memory", type=int, default=768, help="of the guest, in MB")
    parser.add_argument("--limit", type=int, default=300, help="for the command, in seconds")
    parser.add_argument("--out", metavar="DIR", help="where the files that the command leaves in /out are brought")
    parser.add_argument("command", nargs="+", help="shell text")
    options = parser.parse_args()
    try:
        with Guest(add=options.add, modules=options.module, memory=options.memory) as guest:
            print(guest.run(" ".join(options.command), options.limit, check=False))
            status = guest.status
            if options.out:
                names = guest.run("ls /out").split()
                pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
                for name in names:
                    (pathlib.Path(options.out) / name).write_bytes(guest.read(f"/out/{name}"))
            return status
    except Unavailable as error:
        print(f"skipped: {error}", file=sys.stderr)
        return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
