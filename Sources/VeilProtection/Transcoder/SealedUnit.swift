// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream
import VeilSystem

/// A NAL unit that takes the place of one that cannot be encrypted bin by bin: the whole of it under AES-256-GCM
/// (SP 800-38D), in a NAL unit of an unspecified type, which decoders ignore.
///
/// After the NAL unit header, emulation prevention taken out: a mark (4 bytes), the layer whose key is used (1), a
/// counter (8, big endian), the ciphertext, the tag (16) and 0x80. The nonce is four zero bytes and the counter, which
/// never repeats in a run; the header, mark, layer and counter are authenticated too. The header has the layer and the
/// sub-layer of the unit sealed, so that it is dropped with them.
package enum SealedUnit {
    package static let type = NALUnitType.sealed
    /// Why a unit was sealed, which its mark tells.
    package enum Kind: UInt8 {
        /// It cannot be encrypted bin by bin.
        case damaged = 0x53
        /// Its picture is hidden (``HiddenPictures``): the unit inside is encrypted too, and a stand-in precedes it.
        case hidden = 0x48
        var mark: [UInt8] { [0x56, 0x65, 0x69, rawValue] }
    }
    private static let headBytes = 13
    private static let tagBytes = 16

    /// The sealing key of a run and layer.
    static func key(_ key: SecretBytes, nonce: [UInt8], layer: Int) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key.symmetricKey, salt: nonce,
            info: Data("Veil seal 2".utf8) + [UInt8(truncatingIfNeeded: layer)], outputByteCount: 32)
    }

    /// Whether a unit is a slice, or one that was sealed, of its layer.
    package static func isSliceOrOne(_ nal: NALUnit) -> Bool {
        nal.header.nalUnitType.isSlice || isOne(nal, kind: .hidden) || isOne(nal)
    }

    /// Whether a unit says that it is one.
    package static func isOne(_ nal: NALUnit, kind: Kind = .damaged) -> Bool {
        !nal.isMalformed && nal.header.nalUnitType == type && nal.bytes.count > 2
            && nal.bytes[2...].starts(with: kind.mark)
    }

    /// The layer whose key a sealed unit is under.
    static func keyLayer(_ nal: NALUnit) -> Int? {
        nal.bytes.count > 6 ? Int(nal.bytes[6]) : nil
    }

    /// The counter of a sealed unit, not verified.
    static func counter(_ nal: NALUnit) -> UInt64? {
        let head = nal.rbsp.prefix(headBytes)
        guard head.count == headBytes else { return nil }
        return head.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func seal(
        _ nal: NALUnit, layer: Int, counter: UInt64, key: SymmetricKey, kind: Kind = .damaged
    ) throws -> NALUnit {
        let header =
            nal.isMalformed
            ? NALUnitHeader(nalUnitType: type, nuhLayerId: layer)
            : NALUnitHeader(
                nalUnitType: type, nuhLayerId: nal.header.nuhLayerId,
                nuhTemporalIdPlus1: nal.header.nuhTemporalIdPlus1)
        let head = kind.mark + [UInt8(truncatingIfNeeded: layer)] + counterBytes(counter)
        let box = try AES.GCM.seal(
            nal.bytes, using: key, nonce: AES.GCM.Nonce(data: [0, 0, 0, 0] + counterBytes(counter)),
            authenticating: header.bytes + head)
        var sealed = NALUnit(
            header: header, rbsp: head + box.ciphertext + box.tag + [0x80], startCodeLength: nal.startCodeLength)
        sealed.trailingZeros = nal.trailingZeros
        sealed.offset = nal.offset
        return sealed
    }

    /// The unit that was sealed; nil when the sealed unit was changed, or sealed under another key.
    static func open(_ nal: NALUnit, key: SymmetricKey, kind: Kind = .damaged) -> NALUnit? {
        let rbsp = nal.rbsp
        guard rbsp.count > headBytes + tagBytes, rbsp.last == 0x80, rbsp.starts(with: kind.mark),
            let nonce = try? AES.GCM.Nonce(data: [0, 0, 0, 0] + rbsp[5..<headBytes]),
            let box = try? AES.GCM.SealedBox(
                nonce: nonce, ciphertext: rbsp[headBytes..<(rbsp.count - tagBytes - 1)],
                tag: rbsp[(rbsp.count - tagBytes - 1)..<(rbsp.count - 1)]),
            let data = try? AES.GCM.open(box, using: key, authenticating: nal.header.bytes + rbsp[..<headBytes])
        else { return nil }
        let bytes = [UInt8](data)
        var opened: NALUnit
        if bytes.count >= 2, let header = try? NALUnitHeader(bytes[0], bytes[1]) {
            opened = NALUnit(header: header, bytes: bytes, startCodeLength: nal.startCodeLength, offset: nal.offset)
        } else {
            opened = NALUnit(malformed: bytes, startCodeLength: nal.startCodeLength, offset: nal.offset)
        }
        opened.trailingZeros = nal.trailingZeros
        return opened
    }

    private static func counterBytes(_ counter: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: counter >> (56 - 8 * UInt64($0))) }
    }
}
