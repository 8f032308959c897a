#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference decryptor for Veil streams, written from Docs/Format.md and H.265 alone. Slow and plain on purpose.

    veil_decrypt.py IN.hevc OUT.hevc keys.json
    veil_decrypt.py --vectors            # the test vectors of Docs/Format.md

Parses the slice data of every encrypted layer (H.265 7.3.8, 9.3), decrypts the encryptable bins, and writes the arithmetic code again.
The result is the clear stream, byte for byte. Needs nothing but Python 3.8; AES runs faster where `cryptography` is installed.
"""
import hashlib
import hmac
import json
import struct
import sys

M32 = 0xFFFFFFFF


class FormatError(Exception):
    pass


# ---- Keystreams (Format.md, "Keystreams") ---------------------------------------------------------------------------------------------

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


def _aes_schedule(key):
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


def _aes_block(rounds, block):
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
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        stream = Cipher(algorithms.AES(key), modes.CTR(nonce + bytes(4))).encryptor()
        while True:
            yield from struct.unpack("<256I", stream.update(bytes(1024)))
    except ImportError:
        pass
    rounds, block = _aes_schedule(key), 0
    while True:
        yield from struct.unpack("<4I", _aes_block(rounds, nonce + struct.pack(">I", block)))
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


# ---- Messages and keys ----------------------------------------------------------------------------------------------------------------

UUID = bytes.fromhex("7665696c8b1d4e0a9c532fe760b43d11")
TAG_UUID = bytes.fromhex("7665696c51c34f7ea806921bd44a5f27")
MVD, MVD_SIGN, COEFF_SIGN, COEFF, DQP_SIGN, LUMA_MODE, SAO_SIGN, SAO_BAND, SAO_CLASS = range(9)
PCM, SAO_OFFSET, CHROMA_MODE, MERGE, REF, PART, DQP = range(9, 16)


class Message:
    """The encryption message of a layer (Format.md, "The message")."""

    def __init__(self, data):
        (self.version, self.scheme, self.layer, self.cipher, self.profile, self.flags, self.elements, self.min_tid,
         self.irap_index) = struct.unpack(">6BHBI", data[16:29])
        if self.version != 1:
            raise FormatError("unknown version of the encryption message")
        self.nonce, self.check = data[29:45], data[45:53]
        end = 54 + data[53]
        self.key_id = data[54:end].decode()
        self.feedback, self.chain = bool(self.flags & 1), bool(self.flags & 2)
        self.irap_only = bool(self.flags & 4)
        self.regions = []
        if self.flags & 8:
            self.regions = [struct.unpack(">4H", data[end + 1 + 8 * i:end + 9 + 8 * i]) for i in range(data[end])]
            end += 1 + 8 * data[end]
        self.checked_fields = data[:25] + bytes(4) + data[29:45] + bytes(8) + data[53:end]


def load_keys(path):
    """Key id to key."""
    with open(path, "rb") as f:
        data = json.load(f)
    keys = {e["id"]: bytes.fromhex(e["key"]) for e in data.get("layers") or []}
    master = data.get("master")
    if master:
        for layer in range(master["layers"]):
            keys["%s/%d" % (master["id"], layer)] = hkdf(
                bytes.fromhex(master["key"]), b"", b"Veil layer key 1" + bytes([layer]), 32)
    return keys


class Unlocked:
    """A layer's message and keystream key."""

    def __init__(self, message, key):
        self.message = message
        info = bytes([message.layer, message.cipher])
        check_key = hkdf(key, message.nonce, b"Veil key check 1" + info, 32)
        if hmac.new(check_key, message.checked_fields, hashlib.sha256).digest()[:8] != message.check:
            raise FormatError("layer %d: wrong key for key id %s" % (message.layer, message.key_id))
        self.key = hkdf(key, message.nonce, b"Veil keystream 1" + info, 32)
        self.cipher = LayerCipher(self)


class LayerCipher:
    """Undoes equations (3) and (4) on the runs of one layer."""

    def __init__(self, unlocked):
        self.u, self.m = unlocked, unlocked.message
        self.started = False

    def begin(self, irap_index, poc_delta, address, tid, is_irap):
        m = self.m
        self.unit_active = (not m.irap_only or is_irap) and tid >= m.min_tid
        self.active = self.unit_active
        if m.chain:
            if not self.started:
                self.restart(bytes(12))
            self.started = True
        elif self.unit_active:
            self.restart(struct.pack(">3I", irap_index & M32, poc_delta & M32, address & M32))

    def restart(self, nonce):
        self.words = KEYSTREAMS[self.m.cipher](self.u.key, nonce)
        self.pool = self.available = 0
        self.previous = self.take(32)

    def ctu(self, x, y, size):
        if self.m.regions:
            self.active = self.unit_active and any(
                x + size > rx and x < rx + rw and y + size > ry and y < ry + rh for rx, ry, rw, rh in self.m.regions)

    def take(self, count):
        if self.available < count:
            self.pool |= next(self.words) << self.available
            self.available += 32
        bits = self.pool & ((1 << count) - 1)
        self.pool >>= count
        self.available -= count
        return bits

    def allows(self, element):
        return self.active and self.m.elements >> element & 1

    def mask(self, bins, mask):
        """A run whose bins in `mask` are free."""
        if mask == 0:
            return bins
        places = [i for i in range(32) if mask >> i & 1]
        count = len(places)
        key = self.take(count)
        if self.m.feedback:
            key = (key + self.previous) & ((1 << count) - 1)
        cipher = sum((bins >> at & 1) << i for i, at in enumerate(places))
        plain = cipher ^ key
        self.previous = cipher
        return bins & ~mask | sum((plain >> i & 1) << at for i, at in enumerate(places))

    def permute(self, bins, first, size):
        """A number that stays in first ..< first + size."""
        step = self.take(32) * size >> 32
        if self.m.feedback:
            step += self.previous % size
        value = bins - first
        self.previous = value
        return first + (value - step) % size

    # The rule (Format.md, "Which bins").

    def signs(self, bins, count, frozen):
        return self.mask(bins, (1 << count) - 1 & ~frozen) if self.allows(COEFF_SIGN) else bins

    def suffix(self, bins, count, p, base, prefix, last):
        if count == 0 or not self.allows(COEFF):
            return bins
        every = (1 << count) - 1
        if prefix > 3:
            start = ((1 << prefix - 3) + 2) << p
            return bins if base + start + every > 32767 else self.mask(bins, every)
        rem = (prefix << p) + bins
        if self.m.profile == 1:
            return self.mask(bins, algorithm31(p, base, rem))
        if last or p == 4:
            return self.mask(bins, every)
        size = 1 << p
        threshold = 3 * size - base + 1 - (prefix << p)
        if threshold <= 0 or threshold >= size:
            return self.mask(bins, every)
        first, n = (0, threshold) if bins < threshold else (threshold, size - threshold)
        return bins if n < 2 else self.permute(bins, first, n)

    def mvd(self, bins, count, long_term):
        if count >= 15 or long_term or not self.allows(MVD):
            return bins
        return self.mask(bins, (1 << count) - 1)

    def mvd_sign(self, bin_, magnitude, long_term):
        if magnitude >= 32768 or long_term or not self.allows(MVD_SIGN):
            return bin_
        return self.mask(bin_, 1)

    def flag(self, element, bins, count, frozen=0):
        return self.mask(bins, (1 << count) - 1 & ~frozen) if self.allows(element) else bins

    def chroma_mode(self, bins, scans_depend):
        """Planar and DC are exchanged; all four modes, where no scan depends on them."""
        if not self.allows(CHROMA_MODE):
            return bins
        if not scans_depend:
            return self.mask(bins, 3)
        if bins in (1, 2):
            return bins
        key = self.take(1) ^ (self.previous & 1 if self.m.feedback else 0)
        self.previous = bins & 1
        return bins ^ 3 if key else bins

    def dqp(self, bins, count, least, limit):
        """The suffix of cu_qp_delta_abs, whose prefix begins at `least`; up to `limit` both signs exist."""
        if not self.allows(DQP):
            return bins
        if least + (1 << count) - 1 <= limit:
            return self.mask(bins, (1 << count) - 1)
        n = limit - least + 1
        return bins if least + bins > limit or n < 2 else self.permute(bins, 0, n)


def algorithm31(p, base, rem):
    """Algorithm 3.1: which of the p suffix bins are free, as a mask."""
    every = (1 << p) - 1
    if p == 0 or base == 1:
        return every
    if p == 1:
        return 0 if base == 2 and rem in (4, 5) else 1
    low, high = 2 << p, 3 << p
    if rem < low or rem >= high:
        return every
    if p == 2:
        return 0 if base == 2 and rem in (10, 11) else 1
    if p == 3:
        return 3 if rem <= 19 else 0 if base == 2 and rem in (22, 23) else 1
    return 7 if rem <= 39 else 3 if rem <= 43 else 0 if base == 2 and rem in (46, 47) else 1


# ---- Bits -----------------------------------------------------------------------------------------------------------------------------

class Bits:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u(self, n):
        v = 0
        for _ in range(n):
            v = v << 1 | self.data[self.at >> 3] >> (7 - (self.at & 7)) & 1
            self.at += 1
        return v

    def ue(self):
        n = 0
        while not self.u(1):
            n += 1
        return (1 << n) - 1 + self.u(n)

    def se(self):
        k = self.ue()
        return (k + 1) // 2 if k & 1 else -(k // 2)


class BitSink:
    def __init__(self):
        self.bits = []

    def u(self, v, n):
        self.bits += [v >> i & 1 for i in range(n - 1, -1, -1)]

    def ue(self, v):
        n = (v + 1).bit_length()
        self.u(v + 1, 2 * n - 1)

    def copy(self, data, start, end):
        b = Bits(data)
        b.at = start
        self.bits += [b.u(1) for _ in range(end - start)]

    def data(self):
        bits = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(int("".join(map(str, bits[i:i + 8])), 2) for i in range(0, len(bits), 8))


def unescape(data):
    out, zeros = bytearray(), 0
    for b in data:
        if zeros >= 2 and b == 3:
            zeros = 0
            continue
        out.append(b)
        zeros = zeros + 1 if b == 0 else 0
    return bytes(out)


def escape(data):
    """Also tells after how many bytes out each byte in begins."""
    out, zeros, starts = bytearray(), 0, []
    for b in data:
        starts.append(len(out))
        if zeros >= 2 and b <= 3:
            out.append(3)
            zeros = 0
        out.append(b)
        zeros = zeros + 1 if b == 0 else 0
    # An RBSP that ends in zero bytes (cabac_zero_words) gets one more.
    if data and data[-1] == 0:
        out.append(3)
    return bytes(out), starts


def nal_units(stream):
    """(start code, unit, zeros after it) in order."""
    at = stream.find(b"\0\0\1")
    if at < 0 or any(stream[:at]):
        raise FormatError("not an Annex B byte stream")
    code_start = 0
    while True:
        begin = at + 3
        at = stream.find(b"\0\0\1", begin)
        end = len(stream) if at < 0 else at
        stop = end
        while stop > begin and stream[stop - 1] == 0:
            stop -= 1
        yield stream[code_start:begin], stream[begin:stop], stream[stop:] if at < 0 else b""
        if at < 0:
            return
        code_start = stop


# ---- Parameter sets (7.3.2, F.7.3.2) ---------------------------------------------------------------------------------------------------

class Struct:
    pass


def profile_tier_level(b, present, sub_layers):
    if present:
        b.u(88)
    b.u(8)
    flags = [(b.u(1), b.u(1)) for _ in range(sub_layers)]
    if sub_layers:
        b.u(2 * (8 - sub_layers))
    for profile, level in flags:
        b.u(88 * profile + 8 * level)


def bits_for(n):
    return (n - 1).bit_length() if n > 1 else 0


def hrd(b, common, sub_layers):
    nal = vcl = 0
    pic = 0
    if common:
        nal, vcl = b.u(1), b.u(1)
        if nal or vcl:
            pic = b.u(1)
            if pic:
                b.u(19)
            b.u(8)
            if pic:
                b.u(4)
            b.u(15)
    for _ in range(sub_layers + 1):
        fixed = b.u(1)
        within = 1 if fixed else b.u(1)
        low_delay, count = 0, 1
        if within:
            b.ue()
        else:
            low_delay = b.u(1)
        if not low_delay:
            count = b.ue() + 1
        for _ in range((nal + vcl) * count):
            b.ue(), b.ue()
            if pic:
                b.ue(), b.ue()
            b.u(1)


def parse_vps(rbsp):
    b, v = Bits(rbsp), Struct()
    v.id = b.u(4)
    internal = b.u(1)
    b.u(1)
    v.max_layers = b.u(6)
    v.sub_layers = b.u(3)
    b.u(17)
    profile_tier_level(b, True, v.sub_layers)
    for _ in range(0 if b.u(1) else v.sub_layers, v.sub_layers + 1):
        b.ue(), b.ue(), b.ue()
    max_id = b.u(6)
    sets = [[0]]
    for _ in range(b.ue()):
        sets.append([i for i in range(max_id + 1) if b.u(1)])
    if b.u(1):
        b.u(64)
        if b.u(1):
            b.ue()
        for i in range(b.ue()):
            b.ue()
            hrd(b, 1 if i == 0 else b.u(1), v.sub_layers)
    v.layers, v.formats = [0], {}
    v.direct = [[]]
    v.default_active = v.max_one = 0
    v.lsb_absent = {}
    v.aligned = 0
    v.sub_max, v.tid_ref = None, None
    if not b.u(1) or v.max_layers == 0:
        return v
    b.at = b.at + 7 & ~7
    if internal:
        profile_tier_level(b, False, v.sub_layers)
    splitting = b.u(1)
    types = sum(b.u(1) for _ in range(16))
    lengths = [b.u(3) + 1 for _ in range(types - splitting)]
    ids = b.u(1)
    for i in range(1, v.max_layers + 1):
        v.layers.append(b.u(6) if ids else i)
        if not splitting:
            for n in lengths:
                b.u(n)
    view = b.u(4)
    if view:
        b.u(view)
    for i in range(1, v.max_layers + 1):
        v.direct.append([j for j in range(i) if b.u(1)])
    if sum(not d for d in v.direct) > 1:
        raise FormatError("independent enhancement layers are beyond this decryptor")
    if b.u(1):
        v.sub_max = [b.u(3) for _ in range(v.max_layers + 1)]
    if b.u(1):
        v.tid_ref = {(i, j): b.u(3) for i in range(v.max_layers) for j in range(i + 1, v.max_layers + 1) if i in v.direct[j]}
    v.default_active = b.u(1)
    ptls = b.ue() + 1
    for _ in range(2 if internal else 1, ptls):
        profile_tier_level(b, b.u(1), v.sub_layers)
    added = output_idc = 0
    if len(sets) > 1:
        added, output_idc = b.ue(), b.u(2)

    def needs(i, j):
        return i == j or any(needs(k, j) for k in v.direct[i])

    outputs = [None]
    for i in range(1, len(sets) + added):
        index = b.u(bits_for(len(sets) - 1)) + 1 if len(sets) > 2 and i >= len(sets) else min(i, len(sets) - 1) if i < len(sets) else 1
        layers = [v.layers.index(x) for x in sets[index]]
        if i >= len(sets) or output_idc == 2:
            flags = [b.u(1) for _ in layers]
        else:
            flags = [output_idc == 0 or k == len(layers) - 1 for k in range(len(layers))]
        out = [x for x, f in zip(layers, flags) if f]
        needed = [x for x in layers if any(needs(o, x) for o in out) and (internal or x)]
        if ptls > 1:
            b.u(bits_for(ptls) * len(needed))
        if len(out) == 1 and v.direct[out[0]]:
            b.u(1)
        outputs.append((layers, needed))
    formats = []
    for _ in range(b.ue() + 1):
        w, h = b.u(16), b.u(16)
        depth = formats[-1][2:] if formats else (8, 8)
        if b.u(1):
            if b.u(2) != 1:
                raise FormatError("only 4:2:0 is known here")
            depth = (b.u(4) + 8, b.u(4) + 8)
        if b.u(1):
            b.ue(), b.ue(), b.ue(), b.ue()
        formats.append((w, h) + depth)
    index = None
    if len(formats) > 1 and b.u(1):
        index = ([0] if internal else []) + [b.u(bits_for(len(formats))) for _ in range(1 if internal else 0, v.max_layers + 1)]
    v.all_formats = formats
    for i, layer in enumerate(v.layers):
        v.formats[layer] = formats[index[i] if index else min(i, len(formats) - 1)]
    v.max_one, v.aligned = b.u(1), b.u(1)
    for i in range(1, v.max_layers + 1):
        if not v.direct[i]:
            v.lsb_absent[v.layers[i]] = b.u(1)
    return v


def scaling_list(b):
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not b.u(1):
                b.ue()
            else:
                if size > 1:
                    b.se()
                for _ in range(min(64, 1 << (4 + 2 * size))):
                    b.se()


def ref_pic_set(b, sets, in_header=False):
    """(S0, S1) as lists of (delta POC, used), after the sets before it."""
    index = len(sets)
    if index and b.u(1):
        delta = b.ue() + 1 if in_header else 1
        sign, magnitude = b.u(1), b.ue() + 1
        delta_rps = -magnitude if sign else magnitude
        ref0, ref1 = sets[index - delta]
        flags = []
        for _ in range(len(ref0) + len(ref1) + 1):
            used = b.u(1)
            flags.append((used, used or b.u(1)))
        entries = [(d + delta_rps, f) for (d, _), f in zip(ref0 + ref1 + [(0, 0)], flags)]
        kept = [(d, used) for d, (used, use) in entries if use and d != 0]
        return (sorted([e for e in kept if e[0] < 0], key=lambda e: -e[0]), sorted([e for e in kept if e[0] > 0], key=lambda e: e[0]))
    n0, n1 = b.ue(), b.ue()
    result = ([], [])
    for side, count, sign in ((0, n0, -1), (1, n1, 1)):
        poc = 0
        for _ in range(count):
            poc += sign * (b.ue() + 1)
            result[side].append((poc, b.u(1)))
    return result


def parse_sps(rbsp, layer):
    b, s = Bits(rbsp), Struct()
    s.vps = b.u(4)
    sub = b.u(3)
    s.multilayer = layer > 0 and sub == 7
    if not s.multilayer:
        b.u(1)
        profile_tier_level(b, True, sub)
    s.id = b.ue()
    s.format, s.format_index = None, None
    if s.multilayer:
        if b.u(1):
            s.format_index = b.u(8)
    else:
        if b.ue() != 1:
            raise FormatError("only 4:2:0 is known here")
        w, h = b.ue(), b.ue()
        if b.u(1):
            b.ue(), b.ue(), b.ue(), b.ue()
        s.format = (w, h, b.ue() + 8, b.ue() + 8)
    s.lsb_bits = b.ue() + 4
    if not s.multilayer:
        for _ in range(0 if b.u(1) else sub, sub + 1):
            b.ue(), b.ue(), b.ue()
    s.min_cb = b.ue() + 3
    s.ctb = s.min_cb + b.ue()
    s.min_tb = b.ue() + 2
    s.max_tb = s.min_tb + b.ue()
    s.depth_inter, s.depth_intra = b.ue(), b.ue()
    if b.u(1):
        if s.multilayer and b.u(1):
            b.u(6)
        elif b.u(1):
            scaling_list(b)
    s.amp, s.sao, s.pcm = b.u(1), b.u(1), b.u(1)
    if s.pcm:
        s.pcm_bits = (b.u(4) + 1, b.u(4) + 1)
        s.min_pcm = b.ue() + 3
        s.max_pcm = s.min_pcm + b.ue()
        b.u(1)
    s.sets = []
    for _ in range(b.ue()):
        s.sets.append(ref_pic_set(b, s.sets))
    s.long_term, s.lt_used = b.u(1), []
    if s.long_term:
        for _ in range(b.ue()):
            b.u(s.lsb_bits)
            s.lt_used.append(b.u(1))
    s.temporal_mvp = b.u(1)
    return s


def parse_pps(rbsp):
    b, p = Bits(rbsp), Struct()
    p.id, p.sps = b.ue(), b.ue()
    p.dependent, p.output_flag = b.u(1), b.u(1)
    p.extra_bits = b.u(3)
    p.sign_hiding, p.cabac_init = b.u(1), b.u(1)
    p.refs = (b.ue() + 1, b.ue() + 1)
    p.qp = 26 + b.se()
    b.u(1)
    p.transform_skip, p.dqp = b.u(1), b.u(1)
    p.dqp_depth = b.ue() if p.dqp else 0
    b.se(), b.se()
    p.chroma_offsets = b.u(1)
    p.weighted = (b.u(1), b.u(1))
    p.bypass, p.tiles, p.wpp = b.u(1), b.u(1), b.u(1)
    p.columns = p.rows = None
    p.n_columns = p.n_rows = 1
    if p.tiles:
        p.n_columns, p.n_rows = b.ue() + 1, b.ue() + 1
        if not b.u(1):
            p.columns = [b.ue() + 1 for _ in range(p.n_columns - 1)]
            p.rows = [b.ue() + 1 for _ in range(p.n_rows - 1)]
        b.u(1)
    p.filter_across = b.u(1)
    p.override, p.deblocking_off = 0, 0
    if b.u(1):
        p.override, p.deblocking_off = b.u(1), b.u(1)
        if not p.deblocking_off:
            b.se(), b.se()
    if b.u(1):
        scaling_list(b)
    p.list_changes = b.u(1)
    b.ue()
    p.header_extension = b.u(1)
    return p


class Layout:
    """CTB scans (6.5.1)."""

    def __init__(self, width, height, p):
        def bounds(total, n, sizes):
            if sizes is None:
                return [i * total // n for i in range(n + 1)]
            out = [0]
            for size in sizes:
                out.append(out[-1] + size)
            return out + [total]
        columns, rows = bounds(width, p.n_columns, p.columns), bounds(height, p.n_rows, p.rows)
        self.rs, self.tile, self.column_start = [], [], [0] * width
        tile = 0
        for r in range(len(rows) - 1):
            for c in range(len(columns) - 1):
                for y in range(rows[r], rows[r + 1]):
                    for x in range(columns[c], columns[c + 1]):
                        self.rs.append(y * width + x)
                        self.tile.append(tile)
                        self.column_start[x] = columns[c]
                tile += 1
        self.ts = [0] * len(self.rs)
        for t, r in enumerate(self.rs):
            self.ts[r] = t


# ---- Slice segment header (7.3.6.1, F.7.3.6.1) -----------------------------------------------------------------------------------------

I, P, B = 2, 1, 0


def parse_header(rbsp, nal_type, layer, tid, sets, previous):
    b, h = Bits(rbsp), Struct()
    h.first = b.u(1)
    if 16 <= nal_type <= 23:
        b.u(1)
    pps = sets.pps[b.ue()]
    sps = sets.sps[pps.sps]
    vps = sets.vps.get(sps.vps)
    width, height, depth_y, depth_c = sets.format(sps, layer)
    ctbs = ((width + (1 << sps.ctb) - 1) >> sps.ctb, (height + (1 << sps.ctb) - 1) >> sps.ctb)
    dependent = address = 0
    if not h.first:
        dependent = b.u(1) if pps.dependent else 0
        address = b.u(bits_for(ctbs[0] * ctbs[1]))
    if dependent:
        first = h.first
        h.__dict__.update(previous.__dict__)
        h.first = first
    h.dependent, h.address = dependent, address
    h.pps, h.sps, h.size, h.ctbs, h.depth = pps, sps, (width, height), ctbs, (depth_y, depth_c)
    idr = nal_type in (19, 20)
    if not dependent:
        h.slice_address = address
        b.u(pps.extra_bits)
        h.type = b.ue()
        if pps.output_flag:
            b.u(1)
        h.lsb = 0
        if (layer > 0 and not (vps and vps.lsb_absent.get(layer))) or not idr:
            h.lsb = b.u(sps.lsb_bits)
        before = after = lt = 0
        h.temporal_mvp = 0
        if not idr:
            if b.u(1):
                rps = sps.sets[b.u(bits_for(len(sps.sets)))]
            else:
                rps = ref_pic_set(b, sps.sets, True)
            before, after = (sum(u for _, u in side) for side in rps)
            if sps.long_term:
                n_sps = b.ue() if sps.lt_used else 0
                for i in range(n_sps + b.ue()):
                    if i < n_sps:
                        lt += sps.lt_used[b.u(bits_for(len(sps.lt_used)))]
                    else:
                        b.u(sps.lsb_bits)
                        lt += b.u(1)
                    if b.u(1):
                        b.ue()
            if sps.temporal_mvp:
                h.temporal_mvp = b.u(1)
        inter_layer = 0
        if layer > 0 and vps and layer in vps.layers:
            index = vps.layers.index(layer)
            direct = vps.direct[index]
            available = [j for j in direct if (vps.sub_max[j] if vps.sub_max else vps.sub_layers) >= tid
                         and (tid == 0 or (vps.tid_ref[(j, index)] if vps.tid_ref else 7) > tid)]
            if direct and vps.default_active:
                inter_layer = len(available)
            elif direct and b.u(1):
                inter_layer = 1
                if len(direct) > 1:
                    n = bits_for(len(direct))
                    if not vps.max_one:
                        inter_layer = b.u(n) + 1
                    if inter_layer != len(direct):
                        b.u(n * inter_layer)
        h.sao = (b.u(1), b.u(1)) if sps.sao else (0, 0)
        h.refs, h.long, h.mvd_l1_zero, h.merge_candidates, h.init_swap = (0, 0), ([], []), 0, 5, 0
        if h.type != I:
            h.refs = (pps.refs[0], pps.refs[1] if h.type == B else 0)
            if b.u(1):
                h.refs = (b.ue() + 1, b.ue() + 1 if h.type == B else 0)
            total = before + after + lt + inter_layer
            # Which entries of the initial lists are long-term pictures; those of other layers count as such (F.8.3.4).
            initial = ([0] * before + [1] * inter_layer + [0] * after + [1] * lt, [0] * after + [0] * before + [1] * (lt + inter_layer))
            entries = [None, None]
            if pps.list_changes and total > 1:
                for x in range(2 if h.type == B else 1):
                    if b.u(1):
                        entries[x] = [b.u(bits_for(total)) for _ in range(h.refs[x])]
            h.long = tuple([initial[x][(entries[x][i] if entries[x] else i) % total] for i in range(h.refs[x])] for x in (0, 1))
            if h.type == B:
                h.mvd_l1_zero = b.u(1)
            if pps.cabac_init:
                h.init_swap = b.u(1)
            if h.temporal_mvp:
                from_l0 = b.u(1) if h.type == B else 1
                if h.refs[0 if from_l0 else 1] > 1:
                    b.ue()
            if (pps.weighted[0] and h.type == P) or (pps.weighted[1] and h.type == B):
                b.ue(), b.se()
                for x in range(2 if h.type == B else 1):
                    luma = [b.u(1) for _ in range(h.refs[x])]
                    chroma = [b.u(1) for _ in range(h.refs[x])]
                    for i in range(h.refs[x]):
                        for _ in range(2 * luma[i] + 4 * chroma[i]):
                            b.se()
            h.merge_candidates = 5 - b.ue()
        h.qp = pps.qp + b.se()
        if pps.chroma_offsets:
            b.se(), b.se()
        off = pps.deblocking_off
        if pps.override and b.u(1):
            off = b.u(1)
            if not off:
                b.se(), b.se()
        if pps.filter_across and (h.sao[0] or h.sao[1] or not off):
            b.u(1)
    h.entry_at = b.at
    h.entries, h.entry_bits = [], 0
    if pps.tiles or pps.wpp:
        count = b.ue()
        if count:
            h.entry_bits = b.ue() + 1
            h.entries = [b.u(h.entry_bits) + 1 for _ in range(count)]
    h.after_entries = b.at
    if pps.header_extension:
        b.u(8 * b.ue())
    h.end = b.at
    if not b.u(1):
        raise FormatError("slice header does not end where it should")
    h.bytes = b.at + 7 >> 3
    return h


# ---- Arithmetic code (9.3.4.3) ---------------------------------------------------------------------------------------------------------

RANGE_LPS = bytes([
    128, 176, 208, 240, 128, 167, 197, 227, 128, 158, 187, 216, 123, 150, 178, 205, 116, 142, 169, 195, 111, 135, 160, 185, 105, 128,
    152, 175, 100, 122, 144, 166, 95, 116, 137, 158, 90, 110, 130, 150, 85, 104, 123, 142, 81, 99, 117, 135, 77, 94, 111, 128, 73, 89,
    105, 122, 69, 85, 100, 116, 66, 80, 95, 110, 62, 76, 90, 104, 59, 72, 86, 99, 56, 69, 81, 94, 53, 65, 77, 89, 51, 62, 73, 85, 48,
    59, 69, 80, 46, 56, 66, 76, 43, 53, 63, 72, 41, 50, 59, 69, 39, 48, 56, 65, 37, 45, 54, 62, 35, 43, 51, 59, 33, 41, 48, 56, 32, 39,
    46, 53, 30, 37, 43, 50, 29, 35, 41, 48, 27, 33, 39, 45, 26, 31, 37, 43, 24, 30, 35, 41, 23, 28, 33, 39, 22, 27, 32, 37, 21, 26, 30,
    35, 20, 24, 29, 33, 19, 23, 27, 31, 18, 22, 26, 30, 17, 21, 25, 28, 16, 20, 23, 27, 15, 19, 22, 25, 14, 18, 21, 24, 14, 17, 20, 23,
    13, 16, 19, 22, 12, 15, 18, 21, 12, 14, 17, 20, 11, 14, 16, 19, 11, 13, 15, 18, 10, 12, 15, 17, 10, 12, 14, 16, 9, 11, 13, 15, 9,
    11, 12, 14, 8, 10, 12, 14, 8, 9, 11, 13, 7, 9, 11, 12, 7, 9, 10, 12, 7, 8, 10, 11, 6, 8, 9, 11, 6, 7, 9, 10, 6, 7, 8, 9, 2, 2, 2, 2])
NEXT_LPS = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24, 24, 25, 26, 26,
    27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63]

# Context variables: where an element's stand, and their initial values for initType 0, 1 and 2 (Tables 9-5 to 9-37).
CONTEXTS = [
    ("sao_merge", [153], [153], [153]),
    ("sao_type", [200], [185], [160]),
    ("split_cu", [139, 141, 157], [107, 139, 126], [107, 139, 126]),
    ("bypass", [154], [154], [154]),
    ("skip", [154] * 3, [197, 185, 201], [197, 185, 201]),
    ("pred_mode", [154], [149], [134]),
    ("part_mode", [184, 154, 154, 154], [154, 139, 154, 154], [154, 139, 154, 154]),
    ("prev_intra", [184], [154], [183]),
    ("chroma_mode", [63], [152], [152]),
    ("root_cbf", [154], [79], [79]),
    ("merge_flag", [154], [110], [154]),
    ("merge_idx", [154], [122], [137]),
    ("inter_pred", [154] * 5, [95, 79, 63, 31, 31], [95, 79, 63, 31, 31]),
    ("ref_idx", [154] * 2, [153, 153], [153, 153]),
    ("mvp", [154], [168], [168]),
    ("split_transform", [153, 138, 138], [124, 138, 94], [224, 167, 122]),
    ("cbf_luma", [111, 141], [153, 111], [153, 111]),
    ("cbf_chroma", [94, 138, 182, 154], [149, 107, 167, 154], [149, 92, 167, 154]),
    ("mvd0", [154], [140], [169]),
    ("mvd1", [154], [198], [198]),
    ("dqp", [154] * 2, [154] * 2, [154] * 2),
    ("transform_skip", [139] * 2, [139] * 2, [139] * 2),
    ("last_x", *3 * [None]), ("last_y", *3 * [None]),
    ("coded_sub_block", [91, 171, 134, 141], [121, 140, 61, 154], [121, 140, 61, 154]),
    ("sig",
     [111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153,
      125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111],
     [155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153,
      154, 170, 153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140],
     [170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153,
      154, 170, 153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140]),
    ("greater1",
     [140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197],
     [154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154, 167, 137, 182],
     [154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154, 152, 167, 182]),
    ("greater2", [138, 153, 136, 167, 152, 152], [107, 167, 91, 122, 107, 167], [107, 167, 91, 107, 107, 167]),
]
LAST_PREFIX = (
    [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63],
    [125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108],
    [125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93])
AT, INIT = {}, ([], [], [])
for _name, *_rows in CONTEXTS:
    AT[_name] = len(INIT[0])
    for _t in range(3):
        INIT[_t].extend(LAST_PREFIX[_t] if _name.startswith("last") else _rows[_t])


class Recoder:
    """Decodes bins of one substream and codes them again. Replaceable bins are read with `take` and coded with `put`."""

    def __init__(self, data, start):
        self.data, self.states = data, None
        self.out = bytearray()
        self.begin(start)

    def begin(self, start):
        """The arithmetic decoder (9.3.2.5) and an encoder begin."""
        self.bit = 8 * start + 9
        self.range = 510
        self.offset = (self.data[start] << 8 | (self.data[start + 1] if start + 1 < len(self.data) else 0)) >> 7
        self.low, self.pending, self.out_range = 0, 0, 510

    def read(self):
        at = self.bit >> 3
        bit = self.data[at] >> (7 - (self.bit & 7)) & 1 if at < len(self.data) else 0
        self.bit += 1
        return bit

    def shift_out(self, n):
        """n bits leave the encoder's register of nine bits; they wait in `low` until some bytes have gathered."""
        self.low <<= n
        self.pending += n
        if self.pending > 256:
            keep = self.pending % 8 + 8
            self.write(self.low >> (9 + keep), self.pending - keep)
            self.low &= (1 << 9 + keep) - 1
            self.pending = keep

    def write(self, bits, count):
        """Whole bytes; what is above them is a carry into those written before."""
        if bits >> count:
            i = len(self.out) - 1
            while self.out[i] == 255:
                self.out[i] = 0
                i -= 1
            self.out[i] += 1
            bits &= (1 << count) - 1
        self.out += bits.to_bytes(count // 8, "big")

    def decision(self, context):
        state = self.states[context]
        p, mps = state >> 1, state & 1
        lps = RANGE_LPS[p << 2 | self.range >> 6 & 3]
        self.range -= lps
        if self.offset >= self.range:
            self.low += self.range
            self.offset -= self.range
            self.range = lps
            self.states[context] = NEXT_LPS[p] << 1 | (1 - mps if p == 0 else mps)
            bin_ = 1 - mps
        else:
            if p < 62:
                self.states[context] = state + 2
            bin_ = mps
        n = 9 - self.range.bit_length()
        if n > 0:
            self.range <<= n
            for _ in range(n):
                self.offset = self.offset << 1 | self.read()
            self.shift_out(n)
        return bin_

    # The encoder's range is the decoder's: both code the same decisions, and bypass bins do not change it.

    def take(self, count):
        v = 0
        for _ in range(count):
            self.offset = self.offset << 1 | self.read()
            v <<= 1
            if self.offset >= self.range:
                self.offset -= self.range
                v |= 1
        return v

    def put(self, bins, count):
        for i in range(count - 1, -1, -1):
            self.shift_out(1)
            if bins >> i & 1:
                self.low += self.range
        return bins

    def bypass(self, count=1):
        return self.put(self.take(count), count)

    def terminate(self):
        self.range -= 2
        if self.offset >= self.range:
            self.low += self.range
            self.low <<= 7
            self.pending += 7
            # A one (rbsp_stop_one_bit, bit_equal_to_one) and zeros up to a byte.
            bits, count = self.low >> 7 | 1, self.pending + 2
            pad = -count % 8
            self.write(bits << pad, count + pad)
            self.low = self.pending = 0
            return 1
        if self.range < 256:
            self.range <<= 1
            self.offset = self.offset << 1 | self.read()
            self.shift_out(1)
        return 0

    def next_byte(self):
        """Where in the data what follows a terminating bin begins."""
        return self.bit + 7 >> 3


# ---- Slice data (7.3.8) ----------------------------------------------------------------------------------------------------------------

def scan(kind, size):
    if kind == 0:
        return [(x, s - x) for s in range(2 * size - 1) for x in range(s + 1) if x < size and s - x < size]
    if kind == 1:
        return [(x, y) for y in range(size) for x in range(size)]
    return [(x, y) for x in range(size) for y in range(size)]


SCANS = [[scan(k, 1 << n) for n in range(4)] for k in range(3)]
SIG_4X4 = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8]


class Picture:
    """What slice segments of one picture share."""

    def __init__(self, h, tid, irap):
        self.layout = Layout(h.ctbs[0], h.ctbs[1], h.pps)
        self.rows, self.dependent_states = {}, None
        self.skip, self.depth, self.modes = {}, {}, {}
        self.tid, self.irap = tid, irap


class SliceData:
    def __init__(self, rbsp, h, picture, cipher, unit):
        self.h, self.pic, self.cipher, self.unit = h, picture, cipher, unit
        self.sps, self.pps = h.sps, h.pps
        self.rbsp = rbsp
        self.c = Recoder(rbsp, h.bytes)

    def initial_states(self):
        h = self.h
        kind = 0 if h.type == I else (2 if h.init_swap else 1) if h.type == P else (1 if h.init_swap else 2)
        states, qp = [], min(max(h.qp, 0), 51)
        for v in INIT[kind]:
            s = min(max(((v >> 4) * 5 - 45) * qp // 16 + ((v & 15) << 3) - 16, 1), 126)
            states.append((s - 64) << 1 | 1 if s > 63 else (63 - s) << 1)
        return states

    def recode(self):
        """The new slice data and the bytes after which its substreams end."""
        h, lay, width = self.h, self.pic.layout, self.h.ctbs[0]
        ts, ends, begins, first = lay.ts[h.address], [], True, True
        slice_ts = lay.ts[h.slice_address]
        while True:
            rs = lay.rs[ts]
            column, row = rs % width, rs // width
            if begins:
                new_tile = ts == 0 or lay.tile[ts] != lay.tile[ts - 1]
                if new_tile:
                    self.c.states = self.initial_states()
                elif self.pps.wpp and column == lay.column_start[column]:
                    above = rs - width + 1
                    if row > 0 and column + 1 < width and lay.ts[above] >= slice_ts and lay.tile[lay.ts[above]] == lay.tile[ts]:
                        self.c.states = list(self.pic.rows[row - 1])
                    else:
                        self.c.states = self.initial_states()
                elif first and h.dependent:
                    self.c.states = list(self.pic.dependent_states)
                else:
                    self.c.states = self.initial_states()
                self.cipher.begin(self.unit[0], self.unit[1], rs, self.pic.tid, self.pic.irap)
                begins = first = False
            self.left = column > 0 and lay.ts[rs - 1] >= slice_ts and lay.tile[lay.ts[rs - 1]] == lay.tile[ts]
            self.up = row > 0 and lay.ts[rs - width] >= slice_ts and lay.tile[lay.ts[rs - width]] == lay.tile[ts]
            self.ctu(column << self.sps.ctb, row << self.sps.ctb)
            if self.pps.wpp and column == lay.column_start[column] + 1:
                self.pic.rows[row] = list(self.c.states)
            ts += 1
            if self.c.terminate():
                if self.pps.dependent:
                    self.pic.dependent_states = list(self.c.states)
                ends.append(len(self.c.out))
                return bytes(self.c.out), ends
            if ts >= len(lay.rs):
                raise FormatError("slice data goes on after the last CTU")
            column = lay.rs[ts] % width
            if lay.tile[ts] != lay.tile[ts - 1] or self.pps.wpp and column == lay.column_start[column]:
                if not self.c.terminate():
                    raise FormatError("no end of substream")
                ends.append(len(self.c.out))
                self.c.begin(self.c.next_byte())
                begins = True

    def ctu(self, x, y):
        self.x_ctb, self.y_ctb = x, y
        self.cipher.ctu(x, y, 1 << self.sps.ctb)
        if self.h.sao[0] or self.h.sao[1]:
            self.sao()
        self.quadtree(x, y, self.sps.ctb, 0)

    def available(self, x, y):
        """Whether a neighbour to the left or above belongs to the same slice and tile."""
        if x < 0 or y < 0:
            return False
        if x < self.x_ctb:
            return self.left
        return self.up if y < self.y_ctb else True

    def truncated_unary(self, largest, element, n=0, frozen=0):
        """A truncated unary code of which n ones were coded otherwise. Its last bin, if it gets there, may be encrypted."""
        while n < largest - 1:
            if not self.c.bypass():
                return n
            n += 1
        if n == largest:
            return n
        return n + self.c.put(self.cipher.flag(element, self.c.take(1), 1, frozen), 1)

    def pcm_samples(self, start, end, log2):
        """The raw samples of a PCM block."""
        at, v = Bits(self.rbsp[start:end]), BitSink()
        for component in (0, 1):
            bits = self.sps.pcm_bits[component]
            for _ in range(1 << 2 * log2 if component == 0 else 1 << 2 * log2 - 1):
                v.u(self.cipher.flag(PCM, at.u(bits), bits), bits)
        v.u(0, -sum(((1 << 2 * log2) * self.sps.pcm_bits[0], (1 << 2 * log2 - 1) * self.sps.pcm_bits[1])) % 8)
        return v.data()

    def sao(self):
        c = self.c
        if self.left and c.decision(AT["sao_merge"]):
            return
        if self.up and c.decision(AT["sao_merge"]):
            return
        kind = 0
        for component in range(3):
            if not self.h.sao[1 if component else 0]:
                continue
            if component < 2:
                kind = 0
                if c.decision(AT["sao_type"]):
                    kind = 1 + c.bypass()
            if not kind:
                continue
            largest = (1 << min(self.h.depth[1 if component else 0], 10) - 5) - 1
            sizes = [self.truncated_unary(largest, SAO_OFFSET) for _ in range(4)]
            if kind == 1:
                for size in sizes:
                    if size:
                        c.put(self.cipher.flag(SAO_SIGN, c.take(1), 1), 1)
                c.put(self.cipher.flag(SAO_BAND, c.take(5), 5), 5)
            elif component < 2:
                c.put(self.cipher.flag(SAO_CLASS, c.take(2), 2), 2)

    def cells(self, x, y, size):
        n, x, y = size >> self.sps.min_cb, x >> self.sps.min_cb, y >> self.sps.min_cb
        return [(x + i, y + j) for j in range(n) for i in range(n)]

    def neighbours(self, table, x, y):
        n = self.sps.min_cb
        left = table.get((x - 1 >> n, y >> n), 0) if self.available(x - 1, y) else 0
        return left, table.get((x >> n, y - 1 >> n), 0) if self.available(x, y - 1) else 0

    def quadtree(self, x, y, log2, depth):
        size, (width, height) = 1 << log2, self.h.size
        if x + size <= width and y + size <= height and log2 > self.sps.min_cb:
            split = self.c.decision(AT["split_cu"] + sum(d > depth for d in self.neighbours(self.pic.depth, x, y)))
        else:
            split = log2 > self.sps.min_cb
        if self.pps.dqp and log2 >= max(self.sps.ctb - self.pps.dqp_depth, 3):
            self.dqp_coded = False
        if split:
            half = size >> 1
            for dy in (0, half):
                for dx in (0, half):
                    if x + dx < width and y + dy < height:
                        self.quadtree(x + dx, y + dy, log2 - 1, depth + 1)
        else:
            self.coding_unit(x, y, log2, depth)

    def coding_unit(self, x, y, log2, depth):
        c, sps, size = self.c, self.sps, 1 << log2
        cells = self.cells(x, y, size)
        self.bypass = self.pps.bypass and c.decision(AT["bypass"])
        skip = self.h.type != I and c.decision(AT["skip"] + sum(self.neighbours(self.pic.skip, x, y)))
        for cell in cells:
            self.pic.skip[cell] = 1 if skip else 0
            self.pic.depth[cell] = depth
        self.fill_modes(x, y, size, 1)
        if skip:
            self.merge_idx()
            return
        self.intra = self.h.type == I or c.decision(AT["pred_mode"]) == 1
        self.part = "2Nx2N"
        if not self.intra or log2 == sps.min_cb:
            self.part = self.part_mode(log2)
        merged = False
        if self.intra:
            if self.part == "2Nx2N" and sps.pcm and sps.min_pcm <= log2 <= min(sps.max_pcm, 5):
                if c.terminate():
                    bits = (1 << 2 * log2) * sps.pcm_bits[0] + (1 << 2 * log2 - 1) * sps.pcm_bits[1]
                    start = c.next_byte()
                    end = start + (bits + 7 >> 3)
                    c.out += self.pcm_samples(start, end, log2)
                    c.begin(end)
                    return
            self.intra_modes(x, y, log2)
        else:
            merged = self.partitions(x, y, size, depth)
        root = True
        if not self.intra and not (self.part == "2Nx2N" and merged):
            root = c.decision(AT["root_cbf"])
        if root:
            self.split_intra = self.intra and self.part == "NxN"
            self.max_depth = sps.depth_intra + self.split_intra if self.intra else sps.depth_inter
            self.transform_tree(x, y, log2, 0, 0, 1, 1)

    def part_mode(self, log2):
        c = self.c
        if c.decision(AT["part_mode"]):
            return "2Nx2N"
        if self.intra:
            return "NxN"
        if log2 == self.sps.min_cb:
            if c.decision(AT["part_mode"] + 1):
                return "2NxN"
            if log2 == 3:
                return "Nx2N"
            return "Nx2N" if c.decision(AT["part_mode"] + 2) else "NxN"
        horizontal = c.decision(AT["part_mode"] + 1)
        if not self.sps.amp or c.decision(AT["part_mode"] + 3):
            return "2NxN" if horizontal else "Nx2N"
        second = c.put(self.cipher.flag(PART, c.take(1), 1), 1)
        return ("2NxnD" if second else "2NxnU") if horizontal else ("nRx2N" if second else "nLx2N")

    # Intra modes: the scan of small blocks depends on them (7.4.9.11, 8.4.2).

    def fill_modes(self, x, y, size, mode):
        for j in range(y >> 2, y + size >> 2):
            for i in range(x >> 2, x + size >> 2):
                self.pic.modes[i, j] = mode

    def candidates(self, x, y):
        a = self.pic.modes.get((x - 1 >> 2, y >> 2), 1) if self.available(x - 1, y) else 1
        # Above the CTB, DC is assumed.
        b = self.pic.modes.get((x >> 2, y - 1 >> 2), 1) if y > self.y_ctb else 1
        if a == b:
            return [0, 1, 26] if a < 2 else [a, 2 + (a + 29) % 32, 2 + (a - 1) % 32]
        return [a, b, 0 if 0 not in (a, b) else 1 if 1 not in (a, b) else 26]

    def intra_modes(self, x, y, log2):
        c = self.c
        parts = 4 if self.part == "NxN" else 1
        size = (1 << log2) // (2 if parts == 4 else 1)
        # 7.4.9.11: the scan of small blocks follows from the mode.
        scans_depend = 1 if self.sps.min_tb < 4 else 0
        flags = [c.decision(AT["prev_intra"]) for _ in range(parts)]
        self.luma_modes = []
        for i, flag in enumerate(flags):
            px, py = x + (i & 1) * size, y + (i >> 1) * size
            known = self.candidates(px, py)
            if flag:
                mode = known[self.truncated_unary(2, LUMA_MODE, 0, scans_depend)]
            else:
                mode = c.put(self.cipher.flag(LUMA_MODE, c.take(5), 5, 31 if scans_depend else 0), 5)
                for k in sorted(known):
                    mode += mode >= k
            self.luma_modes.append(mode)
            self.fill_modes(px, py, size, mode)
        chroma = 4
        if c.decision(AT["chroma_mode"]):
            chroma = c.put(self.cipher.chroma_mode(c.take(2), scans_depend), 2)
        explicit = [0, 26, 10, 1, self.luma_modes[0]][chroma]
        self.chroma_mode = 34 if chroma < 4 and explicit == self.luma_modes[0] else explicit

    def merge_idx(self):
        if self.h.merge_candidates > 1 and self.c.decision(AT["merge_idx"]):
            self.truncated_unary(self.h.merge_candidates - 1, MERGE, 1)

    def partitions(self, x, y, size, depth):
        half, quarter = size // 2, size // 4
        sizes = {
            "2Nx2N": [(size, size)], "2NxN": [(size, half)] * 2, "Nx2N": [(half, size)] * 2, "NxN": [(half, half)] * 4,
            "2NxnU": [(size, quarter), (size, size - quarter)], "2NxnD": [(size, size - quarter), (size, quarter)],
            "nLx2N": [(quarter, size), (size - quarter, size)], "nRx2N": [(size - quarter, size), (quarter, size)]}[self.part]
        merged = False
        for w, h in sizes:
            merged = self.prediction_unit(w, h, depth)
        return merged

    def prediction_unit(self, w, h, depth):
        c = self.c
        if c.decision(AT["merge_flag"]):
            self.merge_idx()
            return True
        direction = 0
        if self.h.type == B:
            if w + h != 12 and c.decision(AT["inter_pred"] + depth):
                direction = 2
            else:
                direction = c.decision(AT["inter_pred"] + 4)
        for x in (0, 1):
            if direction not in (x, 2):
                continue
            ref, largest = 0, self.h.refs[x] - 1
            while ref < min(largest, 2) and c.decision(AT["ref_idx"] + ref):
                ref += 1
            if ref == 2 and largest > 2:
                fixed = self.h.long[x][largest - 1] or self.h.long[x][largest]
                ref = self.truncated_unary(largest, REF, 2, 1 if fixed else 0)
            if not (x == 1 and self.h.mvd_l1_zero and direction == 2):
                self.mvd(self.h.long[x][ref])
            c.decision(AT["mvp"])
        return False

    def mvd(self, long_term):
        c = self.c
        greater0 = [c.decision(AT["mvd0"]), c.decision(AT["mvd0"])]
        greater1 = [g and c.decision(AT["mvd1"]) for g in greater0]
        for g0, g1 in zip(greater0, greater1):
            if not g0:
                continue
            magnitude = 1
            if g1:
                prefix = 0
                while c.bypass():
                    prefix += 1
                bins = c.put(self.cipher.mvd(c.take(prefix + 1), prefix + 1, long_term), prefix + 1)
                magnitude = (1 << prefix + 1) + bins
            c.put(self.cipher.mvd_sign(c.take(1), magnitude, long_term), 1)

    def transform_tree(self, x, y, log2, depth, block, cb, cr):
        c, sps = self.c, self.sps
        if sps.min_tb < log2 <= sps.max_tb and depth < self.max_depth and not (self.split_intra and depth == 0):
            split = c.decision(AT["split_transform"] + 5 - log2)
        else:
            inter_split = sps.depth_inter == 0 and not self.intra and self.part != "2Nx2N" and depth == 0
            split = log2 > sps.min_tb and (log2 > sps.max_tb or self.split_intra and depth == 0 or inter_split)
        if log2 > 2:
            cb = cb and c.decision(AT["cbf_chroma"] + depth)
            cr = cr and c.decision(AT["cbf_chroma"] + depth)
        if split:
            half = 1 << log2 - 1
            for i in range(4):
                self.transform_tree(x + (i & 1) * half, y + (i >> 1) * half, log2 - 1, depth + 1, i, cb, cr)
            return
        luma = 1
        if self.intra or depth or cb or cr:
            luma = c.decision(AT["cbf_luma"] + (depth == 0))
        if not (luma or cb or cr):
            return
        if self.pps.dqp and not self.dqp_coded:
            self.qp_delta()
        if luma:
            mode = -1
            if self.intra:
                part = 0
                if self.split_intra:
                    half = self.sps.min_cb - 1
                    part = (y >> half & 1) << 1 | x >> half & 1
                mode = self.luma_modes[part]
            self.residual(log2, 0, self.scan_of(mode) if log2 < 4 else 0)
        if log2 > 2 or block == 3:
            log2_c = max(2, log2 - 1)
            kind = self.scan_of(self.chroma_mode) if self.intra and log2_c == 2 else 0
            if cb:
                self.residual(log2_c, 1, kind)
            if cr:
                self.residual(log2_c, 2, kind)

    @staticmethod
    def scan_of(mode):
        return 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0

    def qp_delta(self):
        c = self.c
        magnitude = 0
        while magnitude < 5 and c.decision(AT["dqp"] + (magnitude > 0)):
            magnitude += 1
        if magnitude == 5:
            k = 0
            while c.bypass():
                magnitude += 1 << k
                k += 1
            if k:
                limit = 25 + 3 * (self.h.depth[0] - 8)
                magnitude += c.put(self.cipher.dqp(c.take(k), k, magnitude, limit), k)
        self.dqp_coded = True
        if magnitude:
            limit = 26 + 3 * (self.h.depth[0] - 8)
            c.put(self.cipher.flag(DQP_SIGN, c.take(1), 1, 1 if magnitude >= limit else 0), 1)

    def residual(self, log2, component, kind):
        """residual_coding() (7.3.8.11)."""
        c, chroma = self.c, component > 0
        if self.pps.transform_skip and not self.bypass and log2 == 2:
            c.decision(AT["transform_skip"] + chroma)
        offset, shift = (15, log2 - 2) if chroma else (3 * (log2 - 2) + (log2 - 1 >> 2), log2 + 1 >> 2)
        prefixes = []
        for name in ("last_x", "last_y"):
            n = 0
            while n < 2 * log2 - 1 and c.decision(AT[name] + offset + (n >> shift)):
                n += 1
            prefixes.append(n)
        last = []
        for n in prefixes:
            if n > 3:
                bits = (n >> 1) - 1
                n = ((2 + (n & 1)) << bits) + c.bypass(bits)
            last.append(n)
        if kind == 2:
            last.reverse()
        blocks, places = SCANS[kind][log2 - 2], SCANS[kind][2]
        last_block = blocks.index((last[0] >> 2, last[1] >> 2))
        last_place = places.index((last[0] & 3, last[1] & 3))
        coded = set()
        greater1_context = 1
        for i in range(last_block, -1, -1):
            xs, ys = blocks[i]
            right, below = (xs + 1, ys) in coded, (xs, ys + 1) in coded
            is_coded, infer = True, False
            if 0 < i < last_block:
                is_coded = c.decision(AT["coded_sub_block"] + (right or below) + 2 * chroma)
                infer = True
            if not is_coded:
                continue
            coded.add((xs, ys))
            found, n = [], 15
            if i == last_block:
                found, n = [last_place], last_place - 1
            for n in range(n, -1, -1):
                x, y = places[n]
                if n == 0 and infer and not found:
                    found.append(0)
                    continue
                if x == y == 0 and i == 0:
                    inc = 27 if chroma else 0
                elif log2 == 2:
                    inc = SIG_4X4[y << 2 | x] + (27 if chroma else 0)
                else:
                    if right and below:
                        inc = 2
                    elif right:
                        inc = 2 if y == 0 else 1 if y == 1 else 0
                    elif below:
                        inc = 2 if x == 0 else 1 if x == 1 else 0
                    else:
                        inc = 2 if x + y == 0 else 1 if x + y < 3 else 0
                    if chroma:
                        inc += 27 + (9 if log2 == 3 else 12)
                    else:
                        inc += (3 if i else 0) + ((9 if kind == 0 else 15) if log2 == 3 else 21)
                if c.decision(AT["sig"] + inc):
                    found.append(n)
            if not found:
                continue
            context_set = 0 if i == 0 or chroma else 2
            if i != last_block and greater1_context == 0:
                context_set += 1
            greater1_context = 1
            levels, first = [1] * len(found), -1
            for k in range(min(8, len(found))):
                if c.decision(AT["greater1"] + 4 * context_set + greater1_context + 16 * chroma):
                    levels[k] = 2
                    if first < 0:
                        first = k
                    greater1_context = 0
                elif 0 < greater1_context < 3:
                    greater1_context += 1
            if first >= 0:
                levels[first] += c.decision(AT["greater2"] + context_set + 4 * chroma)
            hidden = self.pps.sign_hiding and not self.bypass and found[0] - found[-1] > 3
            self.levels(levels, first, len(found) - (1 if hidden else 0))

    def levels(self, levels, first, sign_count):
        """Signs and coeff_abs_level_remaining: everything is read before anything is decrypted, as a sign may depend on a level."""
        c = self.c
        signs = c.take(sign_count)
        rest, frozen, p = [], 0, 0
        for k, level in enumerate(levels):
            base = (3 if k == first else 2) if k < 8 else 1
            if level != base:
                continue
            prefix = 0
            while c.take(1):
                prefix += 1
            if prefix > 32:
                raise FormatError("coeff_abs_level_remaining is too long")
            bits = p if prefix <= 3 else prefix - 3 + p
            start = prefix << p if prefix <= 3 else ((1 << prefix - 3) + 2) << p
            suffix = c.take(bits)
            level = base + start + suffix
            if level > 32767 and k < sign_count:
                frozen |= 1 << sign_count - 1 - k
            rest.append((prefix, bits, suffix, p, base))
            if level > 3 << p:
                p = min(p + 1, 4)
        if sign_count:
            c.put(self.cipher.signs(signs, sign_count, frozen), sign_count)
        for j, (prefix, bits, suffix, p, base) in enumerate(rest):
            c.put((1 << prefix + 1) - 2, prefix + 1)
            c.put(self.cipher.suffix(suffix, bits, p, base, prefix, j == len(rest) - 1), bits)


# ---- Stream ----------------------------------------------------------------------------------------------------------------------------

class ParameterSets:
    def __init__(self):
        self.vps, self.sps, self.pps = {}, {}, {}

    def take(self, nal_type, layer, rbsp):
        if nal_type == 32:
            v = parse_vps(rbsp)
            self.vps[v.id] = v
        elif nal_type == 33:
            s = parse_sps(rbsp, layer)
            self.sps[s.id] = s
        else:
            p = parse_pps(rbsp)
            self.pps[p.id] = p

    def format(self, sps, layer):
        if sps.format:
            return sps.format
        vps = self.vps[sps.vps]
        return vps.all_formats[sps.format_index] if sps.format_index is not None else vps.formats[layer]


class Order:
    """PicOrderCntVal and the last IRAP picture of one layer (8.3.1)."""

    def __init__(self):
        self.previous = self.irap_poc = 0
        self.irap_index, self.begins = -1, True

    def next(self, h, nal_type, tid, shared, told_index):
        irap = 16 <= nal_type <= 23
        resets = irap and (nal_type in (19, 20) or nal_type <= 18 or self.begins)
        poc, most = h.lsb, 1 << h.sps.lsb_bits
        if not resets:
            low = self.previous % most
            high = self.previous - low
            if h.lsb < low and low - h.lsb >= most // 2:
                high += most
            elif h.lsb > low and h.lsb - low > most // 2:
                high -= most
            poc = high + h.lsb
        if shared is not None:
            poc = shared
        if tid == 0 and nal_type not in (6, 7, 8, 9) and not (nal_type <= 14 and nal_type % 2 == 0):
            self.previous = poc
        if irap:
            self.irap_poc, self.begins = poc, False
            self.irap_index = told_index if told_index is not None else self.irap_index + 1
        return poc, self.irap_index, poc - self.irap_poc


def sei_messages(rbsp):
    at, end = 0, len(rbsp.rstrip(b"\0"))
    if end and rbsp[end - 1] == 0x80:
        end -= 1
    while at < end:
        values = []
        for _ in range(2):
            v = 0
            while rbsp[at] == 255:
                v += 255
                at += 1
            values.append(v + rbsp[at])
            at += 1
        yield values[0], rbsp[at:at + values[1]]
        at += values[1]


def rewrite_header(rbsp, h, data, ends):
    """The header with the entry points of the new data, where they changed (emulation prevention moves them)."""
    lengths, start = [], 0
    for end in ends[:-1]:
        lengths.append(len(escape(data[start:end])[0]))
        start = end
    if not h.entries or lengths == h.entries:
        return rbsp[:h.bytes]
    w = BitSink()
    w.copy(rbsp, 0, h.entry_at)
    w.ue(len(lengths))
    # offset_len_minus1 stays, or is the shortest where it was.
    n = max((max(lengths) - 1).bit_length(), 1)
    if h.entry_bits != max((max(h.entries) - 1).bit_length(), 1):
        n = max(n, h.entry_bits)
    w.ue(n - 1)
    for length in lengths:
        w.u(length - 1, n)
    w.copy(rbsp, h.after_entries, h.end)
    w.u(1, 1)
    return w.data()


def decrypt(stream, keys):
    """The clear stream."""
    sets, orders, unlocked, told = ParameterSets(), {}, {}, {}
    out, last_layer, shared, picture, header = bytearray(), -1, None, {}, {}
    for code, unit, trailing in nal_units(stream):
        if len(unit) < 2:
            continue
        nal_type, layer, tid = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3, (unit[1] & 7) - 1
        if nal_type in (32, 33, 34, 35, 39) and layer == 0:
            last_layer = 64
        if nal_type in (32, 33, 34):
            sets.take(nal_type, layer, unescape(unit[2:]))
        elif nal_type in (36, 37):
            last_layer = 64
            for i in orders:
                if i >= layer:
                    orders[i].begins = True
        elif nal_type == 39:
            found = [Message(p) for kind, p in sei_messages(unescape(unit[2:])) if kind == 5 and p.startswith(UUID)]
            for m in found:
                known = unlocked.get(m.layer)
                if not known or (known.message.nonce, known.message.key_id) != (m.nonce, m.key_id):
                    if m.key_id not in keys:
                        raise FormatError("layer %d is encrypted with key id %s, which is not there" % (m.layer, m.key_id))
                    unlocked[m.layer] = Unlocked(m, keys[m.key_id])
                told[m.layer] = m.irap_index
            if found:
                continue
        elif nal_type == 40 and layer in unlocked:
            # Tags are checked by those who want to (Format.md, "Tags"); the clear stream has none.
            if any(kind == 5 and p.startswith(TAG_UUID) for kind, p in sei_messages(unescape(unit[2:]))):
                continue
        elif nal_type < 32:
            rbsp = unescape(unit[2:])
            h = parse_header(rbsp, nal_type, layer, tid, sets, header.get(layer))
            header[layer] = h
            if h.first:
                if layer <= last_layer:
                    shared = None
                last_layer = layer
                order = orders.setdefault(layer, Order())
                irap = 16 <= nal_type <= 23
                poc, index, delta = order.next(h, nal_type, tid, shared, told.pop(layer, None) if irap else None)
                shared = poc if shared is None else shared
                picture[layer] = (Picture(h, tid, irap), (index, delta))
            if layer in unlocked:
                pic, position = picture[layer]
                end = len(rbsp.rstrip(b"\0"))
                data, ends = SliceData(rbsp[:end], h, pic, unlocked[layer].cipher, position).recode()
                unit = unit[:2] + escape(rewrite_header(rbsp, h, data, ends) + data + rbsp[end:])[0]
        out += code + unit + trailing
    return bytes(out)


def vectors():
    """The test vectors of Format.md: key 00 01 .. 1f, nonce of IRAP picture 1, POC + 2, CTU 3."""
    key, nonce = bytes(range(32)), struct.pack(">3I", 1, 2, 3)
    for cipher in sorted(KEYSTREAMS):
        words = KEYSTREAMS[cipher](key, nonce)
        yield "| %s | %s |" % (CIPHER_NAMES[cipher], " ".join("%08x" % next(words) for _ in range(6)))
    for label in ("Veil keystream 1", "Veil key check 1"):
        yield "| %s | %s |" % (label, hkdf(key, bytes(range(16)), label.encode() + bytes([1, 1]), 32).hex())
    yield "| Veil layer key 1 | %s |" % hkdf(key, b"", b"Veil layer key 1" + bytes([1]), 32).hex()


def main():
    if sys.argv[1:] == ["--vectors"]:
        print("\n".join(vectors()))
        return
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    try:
        with open(sys.argv[1], "rb") as f:
            stream = f.read()
        clear = decrypt(stream, load_keys(sys.argv[3]))
        with open(sys.argv[2], "wb") as f:
            f.write(clear)
    except (FormatError, OSError) as error:
        sys.exit("veil_decrypt: %s" % error)


if __name__ == "__main__":
    main()
