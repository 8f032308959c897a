// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

extension IsoMediaReader {
    /// As many samples as any file may claim: what they take of memory is little.
    static let possibleSamples = 1 << 20

    /// What claims more samples than the file has bytes, which a few bytes of a table can: other programs set memory
    /// aside for each, and are not to be given such a file. Nil where nothing does.
    package static func impossibleClaim(of input: InputFile) throws -> IsoMediaError? {
        guard try input.kind() == .isoMedia else { return nil }
        let file = try input.seekable()
        let place = try file.offset()
        defer { try? file.seek(toOffset: place) }
        let size = Int(truncatingIfNeeded: try file.seekToEnd())
        var claim: IsoMediaError?
        let found = try? movie(
            of: file, fileSize: size,
            tables: { moov in
                for trak in try moov.tolerant.children() where trak.type == "trak" {
                    let stbl = try? trak.child("mdia")?.child("minf")?.child("stbl")
                    guard var sizes = try? stbl?.child("stsz") ?? stbl?.child("stz2") else { continue }
                    // version, flags and the size that all have in common, or the width of the table.
                    guard (try? sizes.skip(8)) != nil, let count = try? sizes.u32() else { continue }
                    if count > max(size, possibleSamples) {
                        claim = .impossible(box: sizes.type, offset: sizes.offset, samples: count)
                    }
                }
            }, sample: { _, _ in })
        return claim
            ?? found?.damage.first {
                guard case .impossible = $0 else { return false }
                return true
            }
    }
}
