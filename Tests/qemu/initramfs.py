# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""An initial file system for a guest: programs with the libraries that they need, and kernel modules.

It is a cpio archive in the form that the kernel unpacks ("newc"), not compressed: unpacking costs an emulated
processor more than reading.
"""

import os
import pathlib
import stat
import subprocess


class Archive:
    """Files by their places in the guest."""

    def __init__(self):
        self._bytes = bytearray()
        self._places = set()
        self._inode = 0
        self.directory("/")

    def _entry(self, place, mode, content=b""):
        place = "/" + str(place).strip("/")
        if place in self._places:
            return
        if place != "/":
            self.directory(os.path.dirname(place))
        self._places.add(place)
        self._write(place.lstrip("/") or ".", mode, content)

    def _write(self, name, mode, content):
        self._inode += 1
        name = name.encode() + b"\0"
        fields = [self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self._pad()
        self._bytes += content
        self._pad()

    def _pad(self):
        self._bytes += bytes(-len(self._bytes) % 4)

    def directory(self, place, mode=0o755):
        self._entry(place, stat.S_IFDIR | mode)

    def text(self, place, text, mode=0o644):
        self._entry(place, stat.S_IFREG | mode, text.encode())

    def link(self, place, target):
        self._entry(place, stat.S_IFLNK | 0o777, str(target).encode())

    def file(self, source, place=None):
        """A file, and of a program or library what it is linked with."""
        source = pathlib.Path(source)
        content = source.read_bytes()
        self._entry(place or source.absolute(), stat.S_IFREG | (source.stat().st_mode & 0o777), content)
        if content.startswith(b"\x7fELF"):
            for library in libraries(source):
                self._entry(library, stat.S_IFREG | 0o755, pathlib.Path(library).read_bytes())

    def tree(self, source, place=None):
        """A file or a whole folder; symbolic links in it become what they point to."""
        source = pathlib.Path(source).absolute()
        place = place or str(source)
        if source.is_file():
            return self.file(source, place)
        self.directory(place, source.stat().st_mode & 0o777)
        for child in sorted(source.iterdir()):
            if child.exists():
                self.tree(child, f"{place}/{child.name}")
        return None

    @property
    def content(self):
        """The archive with its end."""
        done = Archive.__new__(Archive)
        done._bytes, done._inode = bytearray(self._bytes), self._inode
        done._write("TRAILER!!!", 0, b"")
        return bytes(done._bytes)


def libraries(program):
    """The shared libraries that the dynamic linker would load for a program, by its own word."""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True)
    found = []
    for line in said.stdout.splitlines():
        words = line.split()
        place = words[2] if len(words) > 2 and words[1] == "=>" else words[0] if words else ""
        if place.startswith("/"):
            found.append(place)
        elif "not found" in line:
            raise FileNotFoundError(f"{program} needs a library that is not there: {line.strip()}")
    return found
