// SPDX-License-Identifier: GPL-2.0-or-later

/// What of a track is presented, one piece after the other (`elst`, ISO/IEC 14496-12, 8.6.6).
struct EditList: Equatable {
    struct Edit: Equatable {
        /// In ticks of the movie. 0 of a fragmented file is all there is.
        var duration: Int
        /// Ticks of the track that it begins at; -1: nothing is presented.
        var mediaTime: Int
        /// In 1/65536 of the usual one; 0 holds a picture.
        var rate: Int
    }

    /// Ticks a second of the movie.
    let movieScale: Int
    private(set) var edits: [Edit] = []

    /// Empty where the track has none.
    init(_ trak: Box, movieScale: Int) throws {
        self.movieScale = movieScale
        guard var elst = try trak.child("edts")?.child("elst") else { return }
        let isLong = try elst.versionAndFlags().version == 1
        let count = try elst.u32()
        guard count <= elst.bytesLeft / (isLong ? 20 : 12) else {
            throw IsoMediaError.truncated(box: "elst", offset: elst.offset)
        }
        for _ in 0..<count {
            let duration = isLong ? try elst.u64() : try elst.u32()
            let raw =
                isLong ? Int(truncatingIfNeeded: try elst.read(8)) : Int(Int32(truncatingIfNeeded: try elst.u32()))
            edits.append(
                Edit(
                    duration: try MediaTicks.checked(duration, "elst", offset: elst.offset),
                    mediaTime: max(try MediaTicks.checked(raw, "elst", offset: elst.offset), -1),
                    rate: try elst.u32()))
        }
    }

    /// One piece, behind a pause or none: all that a beginning, a pause and a length tell.
    var isSimple: Bool {
        let shown = edits.first.map { $0.mediaTime < 0 } ?? false ? edits.dropFirst() : edits[...]
        return shown.count <= 1 && shown.allSatisfy { $0.mediaTime >= 0 && $0.rate == 0x10000 }
    }

    /// The first piece, behind a pause if there is one.
    /// - Returns: ticks of the track before and without a presentation, and how many are shown, where it says so.
    func first(timeScale: Int) -> (mediaStart: Int, emptyStart: Int, shown: Int?) {
        var result = (mediaStart: 0, emptyStart: 0, shown: Int?.none)
        for edit in edits.prefix(2) {
            let ticks = OutputTrack.scaled(edit.duration, timeScale, movieScale)
            if edit.mediaTime < 0 {
                result.emptyStart = ticks
            } else {
                result.mediaStart = edit.mediaTime
                // Of several pieces the rest of the track is played as it is.
                result.shown = ticks > 0 && isSimple ? ticks : nil
                return result
            }
        }
        return result
    }

    /// The same for a track of so many ticks, in a file that is no fragmented one, at another scale of the movie.
    func edits(duration: Int, timeScale: Int, movieScale scale: Int) -> [Edit] {
        edits.map { edit in
            var edit = edit
            let isRest = edit.duration == 0 && edit.mediaTime >= 0
            edit.duration =
                isRest
                ? OutputTrack.scaled(duration - edit.mediaTime, scale, timeScale)
                : OutputTrack.scaled(edit.duration, scale, movieScale)
            return edit
        }
    }

    /// That only its beginning is kept, in words.
    static func lost(_ kinds: [String]) -> String {
        "of edit lists with several pieces (\(kinds.joined(separator: ", "))) the first piece is kept, and the rest "
            + "of the track is played as it is"
    }
}
