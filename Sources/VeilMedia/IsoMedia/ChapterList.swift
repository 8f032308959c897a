// SPDX-License-Identifier: GPL-2.0-or-later

/// The list of chapters that many writers put into a movie's `udta` (`chpl`), beside or in place of a track of them.
struct ChapterList {
    struct Chapter: Equatable {
        /// When it begins, in seconds.
        var start: Double
        var name: [UInt8]
    }

    /// The list has a count of one byte.
    static let most = 255
    var chapters: [Chapter] = []

    init() {}

    /// Nil where there is none that can be read.
    init?(userData: [UInt8]) {
        guard let udta = try? Box(type: "file", bytes: userData[...], offset: 0).child("udta"),
            var box = try? udta.child("chpl"), let version = try? box.versionAndFlags().version,
            (try? box.skip(version > 0 ? 4 : 0)) != nil, let count = try? box.u8()
        else { return nil }
        for _ in 0..<count {
            guard let ticks = try? box.u64(), let length = try? box.u8(), let name = try? box.bytes(Int(length)) else {
                return nil
            }
            chapters.append(Chapter(start: Double(ticks) / 1e7, name: name))
        }
    }

    /// Adds the chapters of the next of several films.
    /// - Parameters:
    ///   - presented: when that film presents its pictures, in seconds.
    ///   - start: when they are presented in the whole.
    mutating func append(_ other: ChapterList, presented: Range<Double>, at start: Double) {
        // One that began before the pictures begins with them.
        let last = other.chapters.lastIndex { $0.start <= presented.lowerBound } ?? 0
        for chapter in other.chapters.dropFirst(last) where chapter.start < presented.upperBound {
            chapters.append(
                Chapter(start: start + max(chapter.start - presented.lowerBound, 0), name: chapter.name))
        }
    }

    /// The box itself.
    var box: [UInt8] {
        var w = BoxWriter()
        w.fullBox("chpl", version: 1) { box in
            box.u32(0)
            box.u8(min(chapters.count, Self.most))
            for chapter in chapters.prefix(Self.most) {
                box.u64(Int(min(max(chapter.start, 0) * 1e7, 1e18).rounded()))
                box.u8(chapter.name.count)
                box.append(chapter.name)
            }
        }
        return w.bytes
    }

    /// `udta` with this list in place of its own; nil where nothing is left of it.
    func inserted(into userData: [UInt8]?) -> [UInt8]? {
        let rest = userData.map { (try? CopiedTracks.without($0, ["udta", "chpl"])) ?? $0 }
        var payload: [UInt8] = []
        if let rest, var udta = try? Box(type: "file", bytes: rest[...], offset: 0).child("udta") {
            payload = (try? udta.bytes(udta.bytesLeft)) ?? []
        }
        // Zero bytes end the list of QuickTime.
        let hasBoxes = payload.contains { $0 != 0 }
        guard hasBoxes || !chapters.isEmpty else { return nil }
        var w = BoxWriter()
        w.box("udta") {
            if !chapters.isEmpty { $0.append(box) }
            if hasBoxes { $0.append(payload) }
        }
        return w.bytes
    }
}
