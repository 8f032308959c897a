// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// One entry of `stsd` for HEVC video (ISO/IEC 14496-15, 8.4.1 and 9.5.3).
struct HEVCSampleEntry {
    let type: FourCC
    /// `hvcC`, then `lhvC`: at least one of them.
    let configurations: [HEVCConfiguration]

    /// Boxes that are not made anew when the stream is written again, and describe it: stereo, Dolby Vision, ambient
    /// light, clean aperture, constraints of coding.
    let others: [(type: FourCC, bytes: [UInt8])]
    /// Those that are not known, and stay behind: they may hold anything, pictures, too.
    let unknown: [FourCC]
    private static let madeAnew: Set<FourCC> = [
        "hvcC", "lhvC", "colr", "pasp", "mdcv", "clli", "btrt", "fiel", "sinf", "free", "skip",
    ]
    private static let describing: Set<FourCC> = [
        "vexu", "hfov", "dvcC", "dvvC", "dvwC", "hvcE", "amve", "clap", "ccst", "auxi",
    ]
    /// Longer ones describe nothing.
    private static let longestDescription = 1024

    var lengthSize: Int { configurations[0].lengthSize }
    /// All parameter sets, the base layer's first.
    var parameterSets: [NALUnit] { configurations.flatMap(\.units) }

    static let types: Set<FourCC> = [
        "hvc1", "hev1", "hvc2", "hev2", "hvc3", "hev3", "lhv1", "lhe1", "dvh1", "dvhe", "encv",
    ]

    /// Nil for other formats.
    init?(_ box: Box) throws {
        guard Self.types.contains(box.type) else { return nil }
        guard box.type != "encv" else {
            throw IsoMediaError.notSupported(what: "its video is encrypted by the container (encv)")
        }
        var body = box
        // SampleEntry and VisualSampleEntry (14496-12, 8.5.2.2 and 12.1.3).
        try body.skip(78)
        type = box.type
        let children = try body.children()
        configurations = try children.filter { $0.type == "hvcC" || $0.type == "lhvC" }
            .sorted { $0.type == "hvcC" && $1.type != "hvcC" }.map { try HEVCConfiguration($0) }
        guard !configurations.isEmpty else { throw IsoMediaError.missing(box: "hvcC", in: box.type) }
        let rest = children.filter { !Self.madeAnew.contains($0.type) }
        let describes = { (box: Box) in
            Self.describing.contains(box.type) && box.bytesLeft <= Self.longestDescription
        }
        others = rest.filter(describes).map { ($0.type, $0.whole) }
        unknown = rest.filter { !describes($0) }.map(\.type)
    }

    /// Whether parameter sets may be in samples.
    var isInBand: Bool { ["hev1", "hev2", "lhe1", "dvhe"].contains(type) }

    /// Whether its samples hold layers above those of another track.
    var isEnhancement: Bool { type == "lhv1" || type == "lhe1" || type == "hvc2" || type == "hev2" }
}

/// A video track of HEVC layers with all its samples.
struct MediaTrack {
    let id: Int
    let timeScale: Int
    let entries: [HEVCSampleEntry?]
    /// track_IDs of the tracks that hold the layers below (`sbas`, `scal`, `oref`).
    let references: [Int]
    var samples: [MediaSample]
    /// Of the first sample that lies outside the file, from which on none are given.
    let cut: IsoMediaError?

    /// Nil when it is no HEVC video.
    init?(trak: Box, fileSize: Int) throws {
        let mdia = try trak.required("mdia")
        let handler = try mdia.handler()
        // Apple has auxiliary video (alpha, depth) in tracks of its own kind.
        guard handler == "vide" || handler == "auxv" else { return nil }
        let minf = try mdia.required("minf")
        var stbl = try minf.required("stbl")
        // What it holds may stand behind it.
        if try stbl.child("stsd") == nil, try minf.child("stsd") != nil { stbl = minf }
        var stsd = try stbl.required("stsd")
        _ = try stsd.versionAndFlags()
        _ = try stsd.u32()
        entries = try stsd.children().map { try HEVCSampleEntry($0) }
        guard entries.contains(where: { $0 != nil }) else { return nil }
        // Samples of a file that is not in fragments are found without it.
        id = try trak.child("tkhd") == nil ? 0 : CopiedTracks.trackHeader(trak).id
        timeScale = try mdia.mediaHeader().timeScale
        references = try CopiedTracks.layersBelow(trak)
        var cut: IsoMediaError?
        samples = try SampleTable.samples(stbl, fileSize: fileSize, cut: &cut)
        self.cut = cut
    }

    func entry(of sample: MediaSample) throws -> HEVCSampleEntry {
        guard entries.indices.contains(sample.descriptionIndex - 1), let entry = entries[sample.descriptionIndex - 1]
        else {
            throw IsoMediaError.invalid(
                box: "stsc", offset: sample.offset,
                what: "a sample of track \(id) is of entry \(sample.descriptionIndex), which is no HEVC video")
        }
        return entry
    }
}

extension Box {
    /// Of `mdia`: what kind of media it holds (`hdlr`; where that is lost the header of such media tells, too).
    func handler() throws -> FourCC {
        guard var hdlr = try child("hdlr") else {
            let minf = try child("minf")
            if try minf?.child("vmhd") != nil { return "vide" }
            if try minf?.child("smhd") != nil { return "soun" }
            throw IsoMediaError.missing(box: "hdlr", in: type)
        }
        _ = try hdlr.versionAndFlags()
        try hdlr.skip(4)
        return try hdlr.fourCC()
    }

    /// Of `mdia`: the name of its handler (`hdlr`), without the count in front or the zero behind it; nil where it has
    /// none.
    func handlerName() throws -> [UInt8]? {
        var hdlr = try required("hdlr")
        try hdlr.skip(24)
        var name = try hdlr.bytes(hdlr.bytesLeft)
        // QuickTime has a count, MP4 a zero.
        if let count = name.first, Int(count) == name.count - 1 { name.removeFirst() }
        name = Array(name.prefix { $0 != 0 })
        return name.isEmpty ? nil : name
    }

    /// Of `mdia`: ticks a second, the language as it is packed, and when it was made and changed (`mdhd`).
    func mediaHeader() throws -> (timeScale: Int, language: Int, creation: (made: Int, changed: Int)) {
        var mdhd = try required("mdhd")
        let isLong = try mdhd.versionAndFlags().version == 1
        let creation = try mdhd.creation(isLong: isLong)
        let timeScale = max(try mdhd.u32(), 1)
        try mdhd.skip(isLong ? 8 : 4)
        return (timeScale, try mdhd.u16(), creation)
    }

    /// When something was made and changed, in seconds since 1904; 0 where that is beyond the next decades.
    mutating func creation(isLong: Bool) throws -> (made: Int, changed: Int) {
        let times = try (0..<2).map { _ in Int(UInt32(exactly: try read(isLong ? 8 : 4)) ?? 0) }
        return (times[0], times[1])
    }
}
