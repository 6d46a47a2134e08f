# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""VICI, as far as swanctl lacks it: simple commands, written from the protocol's description."""

import socket
import struct

REQUEST, RESPONSE = 0, 1


def name(text):
    data = text.encode()
    return bytes([len(data)]) + data


def encode(message):
    out = b""
    for key, value in message.items():
        if isinstance(value, dict):
            out += b"\x01" + name(key) + encode(value) + b"\x02"
        elif isinstance(value, list):
            items = b"".join(b"\x05" + struct.pack(">H", len(item)) + item.encode() for item in value)
            out += b"\x04" + name(key) + items + b"\x06"
        else:
            data = value if isinstance(value, bytes) else str(value).encode()
            out += b"\x03" + name(key) + struct.pack(">H", len(data)) + data
    return out


def decode(data):
    """A message as dictionaries, lists and texts."""
    place = 0

    def take(count):
        nonlocal place
        place += count
        return data[place - count:place]

    def text(size):
        return take(int.from_bytes(take(size), "big")).decode(errors="replace")

    root = {}
    stack = [root]
    items = None
    while place < len(data):
        kind = take(1)[0]
        if kind == 1:
            stack.append(stack[-1].setdefault(text(1), {}))
        elif kind == 2:
            stack.pop()
        elif kind == 3:
            key = text(1)
            stack[-1][key] = text(2)
        elif kind == 4:
            items = stack[-1].setdefault(text(1), [])
        elif kind == 5:
            items.append(text(2))
    return root


def command(path, what, message=None):
    """What charon answers to a command that streams nothing."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        body = bytes([REQUEST]) + name(what) + encode(message or {})
        connection.sendall(struct.pack(">I", len(body)) + body)
        data = b""
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            more = connection.recv(65536)
            assert more, f"charon has closed the connection: {what}"
            data += more
        assert data[4] == RESPONSE, f"{what}: {data[4:5]}"
        answer = decode(data[5:])
        assert answer.get("success", "yes") == "yes", f"{what}: {answer}"
        return answer
