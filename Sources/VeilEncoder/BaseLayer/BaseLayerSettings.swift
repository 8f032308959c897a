// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilEntropy

/// How the base layer is to be coded.
package struct BaseLayerSettings: Sendable {
    package var width = 0
    package var height = 0
    package var fps = (numerator: 25, denominator: 1)
    package var bitDepth = 8
    package var chromaFormat = ChromaFormat.yuv420
    package var preset = "medium"
    package var tune: String?
    /// Sees and replaces bins inside libx265's own loop; only where ``BaseLayerEncoder/hasHook``.
    package var hooks: (any BinHookProvider)?
    /// Further options by the names of the x265 command line.
    package var options: [(name: String, value: String?)] = []
    /// Groups of eight pictures whose B pictures refer to one another on several levels, only where
    /// ``BaseLayerEncoder/hasHook``. Nil: where that is so, and no option asks for other groups.
    package var pyramid: Bool?
    package init() {}

    /// Options that share the work among so many threads.
    ///
    /// There are two pictures in the making on any number of them: left alone, libx265 goes by the number, and
    /// searches less far down where there are several.
    /// - Parameter isAverage: an average rate is to be met: one picture at a time, for libx265 looks at the sizes of
    ///   those in the making, and what it finds depends on how far they are. So it is without our patches: libx265 3.5
    ///   by itself may wait for ever at the end of a stream of which two pictures are in the making.
    package static func sharing(
        among threads: Int, isAverage: Bool = false
    ) -> [(name: String, value: String?)] {
        [
            ("pools", String(min(max(threads, 1), WorkerPool.mostThreads))),
            ("frame-threads", isAverage || !BaseLayerEncoder.hasHook ? "1" : "2"),
        ]
    }

    /// Levels of B pictures that others refer to; one is what libx265 has by itself.
    var pyramidLevels: Int { hasPyramid ? 2 : 1 }

    /// The options, and before them those that make the groups of a pyramid, where there is to be one.
    var allOptions: [(name: String, value: String?)] {
        guard hasPyramid else { return options + safe }
        // A fixed group: libx265's choice of its length (b-adapt) knows nothing of what several levels save.
        var own: [(name: String, value: String?)] = [("bframes", "7"), ("b-adapt", "0")]
        // The more levels, the less depends on the last. That tuning has its own ratio.
        if tune != "grain" { own.append(("pbratio", "1.5")) }
        // Looks ahead by less than a group otherwise.
        if preset == "ultrafast" { own.append(("rc-lookahead", "10")) }
        // A hexagon loses what moves fast on the way across eight pictures.
        if ["superfast", "veryfast", "faster", "fast", "medium"].contains(preset) { own.append(("me", "umh")) }
        return own + options + safe
    }

    /// What no other option may undo.
    private var safe: [(name: String, value: String?)] {
        var safe: [(name: String, value: String?)] = []
        // libx265 3.5 spreads costs over blocks of 16 samples, several at a time, in a row as long as the picture's:
        // where that has less than four, it writes behind it.
        if width <= 48 { safe.append(("cutree", "0")) }
        let hasBuffer = options.contains { $0.name == "vbv-bufsize" && $0.value != "0" }
        let hasSlices = options.last { $0.name == "slices" }.map { $0.value != "1" } ?? false
        // Of two pictures in the making one is steered by how far the other is, so that no two runs need be the same.
        if hasBuffer || hasSlices { safe.append(("frame-threads", "1")) }
        // Several workers deblock edges between slices in any order, and not always to the same samples.
        let hasWorkers = !["none", "0"].contains(options.last { $0.name == "pools" }?.value)
        if hasSlices && hasWorkers { safe.append(("pools", "1")) }
        // Nor then, where rows are steered by those that are on their way beside them.
        if hasBuffer { safe.append(("const-vbv", nil)) }
        return safe
    }

    private var hasPyramid: Bool {
        guard BaseLayerEncoder.hasHook else { return false }
        return pyramid ?? (tune != "zerolatency" && !options.contains(where: Self.groups))
    }

    /// Whether an option is about groups of pictures, or leaves no room for ours.
    private static func groups(_ option: (name: String, value: String?)) -> Bool {
        switch option.name {
        case "bframes", "b-adapt", "no-b-adapt", "b-pyramid", "no-b-pyramid": true
        case "rc-lookahead": option.value.flatMap { Int($0) } ?? 0 < 10
        // Three pictures may wait to be shown, and a picture may refer to eight in all.
        case "ref": option.value.flatMap { Int($0) } ?? 0 > 5
        default: false
        }
    }
}
