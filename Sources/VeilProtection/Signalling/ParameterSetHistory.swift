// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// How parameter sets took each other's places. Tags cover the sets that pictures are decoded with; decoders also drop
/// what depends on a set that is replaced, so that one that is put in, and the true one behind it, would take
/// pictures away of which every tag is right.
///
/// In one run of an authenticated encryption no VPS is replaced by another, and no SPS or PPS that pictures used by one
/// that none uses: where the clear stream does that, another run begins.
struct ParameterSetHistory {
    private struct Entry {
        var hash: [UInt8]
        /// A picture was decoded with it.
        var isUsed = false
        /// It took the place of one that pictures were decoded with.
        var replacesUsed = false
    }
    private var entries: [ParameterSetKey: Entry] = [:]
    struct Counts: Equatable {
        /// How often a VPS took the place of another one.
        var replacedVPS = 0
        /// How often an SPS or PPS was replaced that no picture was decoded with, while its predecessor was needed.
        var unused = 0
    }
    private(set) var counts = Counts()

    /// A VPS, SPS or PPS came, readable or not.
    /// - Parameter hash: SHA-256 of the unit.
    mutating func record(_ nal: NALUnit, hash: [UInt8]) {
        let type = nal.header.nalUnitType
        guard let key = ParameterSetKey(nal) else { return }
        guard let before = entries[key] else {
            entries[key] = Entry(hash: hash)
            return
        }
        if before.hash == hash { return }
        if type == .vps {
            counts.replacedVPS += 1
        } else if before.replacesUsed && !before.isUsed {
            counts.unused += 1
        }
        entries[key] = Entry(hash: hash, replacesUsed: before.isUsed || before.replacesUsed)
    }

    /// A picture is decoded with a PPS and its SPS.
    mutating func use(pps: Int, sps: Int) {
        entries[ParameterSetKey(.pps, pps)]?.isUsed = true
        entries[ParameterSetKey(.sps, sps)]?.isUsed = true
    }

    /// Something came that may be decoded with any of them.
    mutating func useAll() {
        for key in entries.keys { entries[key]?.isUsed = true }
    }
}
