# SPDX-License-Identifier: GPL-2.0-or-later
"""Keystreams and the derivation of their keys (Format.md, "Keystreams")."""
import hashlib
import hmac
import struct

M32 = 0xFFFFFFFF


def hkdf(key, salt, info, length):
    """HKDF-SHA-256 (RFC 5869); a missing salt is 32 zero bytes."""
    prk = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
        counter += 1
    return out[:length]


def skew_tent(x, p):
    """Equation (1) on 32 bits; X = 0 and X = P give 2^32 - 1."""
    if x == 0 or x == p:
        return M32
    return (x << 32) // p if x < p else (((1 << 32) - x) << 32) // ((1 << 32) - p)


def pwlcm(x, p):
    """Equation (2) on 32 bits, symmetric about 2^31; 0, P and 2^31 give 2^32 - 1."""
    if x > 1 << 31:
        x = (1 << 32) - x
    if x == 0 or x == p or x == 1 << 31:
        return M32
    return (x << 32) // p if x < p else ((x - p) << 32) // ((1 << 31) - p)


def chaotic_words(key, nonce):
    s = struct.unpack(">8I", hmac.new(key, nonce, hashlib.sha256).digest())
    p1, p2 = (1 << 30) + (s[1] >> 1), (1 << 29) + (s[3] >> 2)
    x1, x2, l1, l2 = s[0], s[2], s[4] or 1, (s[5] & 0x7FFFFFFF) or 1
    n = 0
    while True:
        l1 = (l1 << 8 | ((l1 >> 24 ^ l1 >> 22 ^ l1 >> 18 ^ l1 >> 17) & 255)) & M32
        l2 = (l2 << 8 | ((l2 >> 23 ^ l2 >> 20) & 255)) & 0x7FFFFFFF
        x1 = skew_tent(x1, p1) ^ l1
        x2 = pwlcm(x2, p2) ^ l2
        word = 0 if x1 == x2 else (x1 + x2) & M32
        n += 1
        if n > 16:
            yield word ^ word >> 16


def _aes_tables():
    sbox, p, q = [0] * 256, 1, 1
    while True:
        p ^= (p << 1) & 255 ^ (0x1B if p & 128 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 255
        if q & 128:
            q ^= 9
        x = q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)
        sbox[p] = (x ^ 0x63) & 255
        if p == 1:
            break
    sbox[0] = 0x63
    return sbox


SBOX = _aes_tables()


def aes_schedule(key):
    nk = len(key) // 4
    w = [list(key[4 * i:4 * i + 4]) for i in range(nk)]
    rcon = 1
    for i in range(nk, 4 * (nk + 7)):
        t = list(w[i - 1])
        if i % nk == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= rcon
            rcon = rcon << 1 ^ (0x11B if rcon & 128 else 0)
        elif nk > 6 and i % nk == 4:
            t = [SBOX[b] for b in t]
        w.append([a ^ b for a, b in zip(w[i - nk], t)])
    return [sum(w[4 * r:4 * r + 4], []) for r in range(nk + 7)]


def aes_block(rounds, block):
    def xtime(b):
        return (b << 1 ^ (0x1B if b & 128 else 0)) & 255
    s = [a ^ b for a, b in zip(block, rounds[0])]
    for r in range(1, len(rounds)):
        s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if r < len(rounds) - 1:
            t = []
            for c in range(0, 16, 4):
                a = s[c:c + 4]
                every = a[0] ^ a[1] ^ a[2] ^ a[3]
                t += [a[i] ^ every ^ xtime(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
            s = t
        s = [a ^ b for a, b in zip(s, rounds[r])]
    return bytes(s)


def aes_words(key, nonce):
    rounds, block = aes_schedule(key), 0
    while True:
        yield from struct.unpack("<4I", aes_block(rounds, nonce + struct.pack(">I", block)))
        block += 1


def chacha_words(key, nonce):
    k, n, block = struct.unpack("<8I", key), struct.unpack("<3I", nonce), 0
    while True:
        start = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574) + k + (block,) + n
        s = list(start)
        for _ in range(10):
            for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                               (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                    s[x] = (s[x] + s[y]) & M32
                    v = s[z] ^ s[x]
                    s[z] = (v << turn | v >> (32 - turn)) & M32
        yield from ((a + b) & M32 for a, b in zip(s, start))
        block += 1


KEYSTREAMS = {1: chaotic_words, 2: lambda k, n: aes_words(k[:16], n), 3: aes_words, 4: chacha_words}
CIPHER_NAMES = {1: "chaotic", 2: "aes-128-ctr", 3: "aes-256-ctr", 4: "chacha20"}


def vectors():
    """The test vectors of Format.md: key 00 01 .. 1f, nonce of IRAP picture 1, POC + 2, CTU 3."""
    key, nonce = bytes(range(32)), struct.pack(">3I", 1, 2, 3)
    for cipher in sorted(KEYSTREAMS):
        words = KEYSTREAMS[cipher](key, nonce)
        yield "| %s | %s |" % (CIPHER_NAMES[cipher], " ".join("%08x" % next(words) for _ in range(6)))
    for label in ("Veil keystream 2", "Veil key check 2", "Veil authentication 2", "Veil keystream 1", "Veil key check 1"):
        yield "| %s | %s |" % (label, hkdf(key, bytes(range(16)), label.encode() + bytes([1, 1]), 32).hex())
    yield "| Veil layer key 1 | %s |" % hkdf(key, b"", b"Veil layer key 1" + bytes([1]), 32).hex()
