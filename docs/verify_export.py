#!/usr/bin/env python3
"""Verifies what `sinew audit export` wrote, with nothing but the standard library of Python and no line shared with Sinew.

    python3 verify_export.py EXPORT [KEPT_CHECKPOINT]

Checks that the entries are numbered without a gap, that each header names the hash of the one before, that each payload has the
digest that its header states, that the Merkle root over all of them (RFC 6962) is the one of the checkpoint, and that the checkpoint
is signed (Ed25519, RFC 8032). With a checkpoint that was kept somewhere else: that the log goes on from there. Exits with 0, or
with 1 and the first thing that is wrong.
"""

import base64
import hashlib
import json
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x % 2 != sign else x


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    s, t = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = t - s, d - c, d + c, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def decompress(data):
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def signature_holds(key, message, signature):
    a, r, s = decompress(key), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(h, a))
    same = lambda i: (left[i] * right[2] - right[i] * left[2]) % P == 0
    return same(0) and same(1)


def fail(what):
    sys.exit(f"not as it was written: {what}")


def read_checkpoint(note, key):
    """Size and root of a signed note (C2SP tlog-checkpoint), where its signature holds."""
    body, _, signatures = note.partition("\n\n")
    name, size, root = body.split("\n")[:3]
    mark, signer, blob = signatures.strip("\n").split(" ")
    blob = base64.b64decode(blob)
    key_id = hashlib.sha256(signer.encode() + b"\n\x01" + key).digest()[:4]
    if mark != "\u2014" or signer != name or blob[:4] != key_id:
        fail("a checkpoint is of another key or another log")
    if not signature_holds(key, (body + "\n").encode(), blob[4:]):
        fail("the signature of a checkpoint does not hold")
    return name, int(size), base64.b64decode(root)


class Tree:
    """The roots of the whole subtrees so far, the largest first, as (leaves, hash)."""

    def __init__(self):
        self.roots = []

    def push(self, data):
        size, node = 1, hashlib.sha256(b"\0" + data).digest()
        while self.roots and self.roots[-1][0] == size:
            node = hashlib.sha256(b"\1" + self.roots.pop()[1] + node).digest()
            size *= 2
        self.roots.append((size, node))

    def root(self):
        if not self.roots:
            return hashlib.sha256(b"").digest()
        node = self.roots[-1][1]
        for _, left in reversed(self.roots[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        first = json.loads(next(lines))
        key = bytes.fromhex(first["key"])
        name, size, root = read_checkpoint(first["checkpoint"], key)
        kept = None
        if len(sys.argv) > 2:
            with open(sys.argv[2], encoding="utf-8") as note:
                kept = read_checkpoint(note.read(), key)
            if kept[0] != name:
                fail("the kept checkpoint is of another log")
            if kept[1] > size:
                fail(f"there are {size} entries, the kept checkpoint was signed for {kept[1]}")
        tree, previous, seq = Tree(), bytes(32), 0
        for line in lines:
            entry = json.loads(line)
            header, payload = bytes.fromhex(entry["header"]), bytes.fromhex(entry["payload"])
            seq += 1
            # The places of the fields in a header, version 1, are fixed; see the journal's description of its format.
            if int.from_bytes(header[40:48], "little") != seq:
                fail(f"entry {seq} is not where it should be")
            if f"sinew/{header[16:32].hex()}/tree" != name:
                fail(f"entry {seq} is of another log")
            if header[88:120] != previous:
                fail(f"entry {seq} does not continue the one before")
            if header[152:184] != hashlib.sha256(payload).digest():
                fail(f"the payload of entry {seq} is another")
            previous = hashlib.sha256(header).digest()
            tree.push(previous)
            if kept and seq == kept[1] and tree.root() != kept[2]:
                fail(f"the first {seq} entries are not those of the kept checkpoint")
        if seq != size or tree.root() != root:
            fail(f"the {seq} entries are not those that the checkpoint was signed for")
    print(f"ok: {seq} entries, root {root.hex()}")


if __name__ == "__main__":
    main()
