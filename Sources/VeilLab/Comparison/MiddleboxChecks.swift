// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilBitstream
import VeilDecoder
import VeilEntropy
import VeilMedia
import VeilProtection
import VeilSystem

/// What a machine in the network, which has no key, can still do with a stream; each tried, not assumed.
public struct MiddleboxChecks: Codable, Sendable {
    /// Every slice parses to its end, all bins of it.
    public var parses = false
    /// A decoder of another make (ffmpeg) takes the base layer without complaint; nil where it is not installed.
    public var foreignDecoder: Bool?
    /// With layers above the base dropped by NAL unit header, what is left decodes cleanly.
    public var extractsBaseLayer = false
    /// What was dropped: "temporal sub-layer N", or "non-reference pictures" where there is one sub-layer only.
    public var dropped = ""
    /// With those dropped, the rest decodes cleanly.
    public var dropsSubLayers = false
    /// After both operations, the owner of the keys gets what the same operations give on the clear stream, sample
    /// for sample.
    public var ownerSeesTheSame: Bool?

    package init() {}

    /// - Parameters:
    ///   - pictures: how many pictures of all layers the stream has.
    ///   - keys: to see what the owner sees; nil for a clear stream.
    ///   - clear: the clear stream that the owner's view is compared with.
    package static func run(
        _ stream: String, pictures: Int, keys: KeyRing?, clear: String?, folder: String, threads: Int
    ) throws -> MiddleboxChecks {
        var checks = MiddleboxChecks()
        let parser = StreamTranscoder(mode: .hooks(LookOnly()), threads: threads) { _ in }
        if (try? StreamWork.units(stream) { try parser.push($0) }) != nil, (try? parser.finish()) != nil {
            checks.parses =
                parser.report.failedSlices == 0 && parser.report.pictures == pictures && parser.report.messages.isEmpty
        }
        let baseOnly = "\(folder)/middlebox\(getpid()).hevc"
        defer { unlink(baseOnly) }
        try StreamWork.rewrite(stream, to: baseOnly) { nal, put in if nal.header.nuhLayerId == 0 { try put(nal) } }
        if let ffmpeg = FFmpeg.program { checks.foreignDecoder = accepts(ffmpeg, baseOnly) }
        checks.extractsBaseLayer = isClean(baseOnly, keeping: { _ in true }, threads)
        let (keeps, what) = try thinning(stream)
        checks.dropped = what
        checks.dropsSubLayers = isClean(stream, keeping: keeps, threads)
        if let keys, let clear {
            let isBase: (NALUnit) -> Bool = { $0.header.nuhLayerId == 0 }
            let (clearKeeps, _) = try thinning(clear)
            checks.ownerSeesTheSame =
                hash(stream, keeping: isBase, keys, threads) == hash(clear, keeping: isBase, nil, threads)
                && hash(stream, keeping: keeps, keys, threads) == hash(clear, keeping: clearKeeps, nil, threads)
        }
        return checks
    }

    /// What stays when the highest temporal sub-layer, or else the pictures that no other refers to, are dropped.
    private static func thinning(_ stream: String) throws -> ((NALUnit) -> Bool, String) {
        var highest = 0
        try StreamWork.units(stream) { if $0.header.nalUnitType.isVCL { highest = max(highest, $0.header.temporalId) } }
        if highest > 0 { return ({ $0.header.temporalId < highest }, "temporal sub-layer \(highest)") }
        return (
            { !$0.header.nalUnitType.isSubLayerNonReference || !$0.header.nalUnitType.isVCL }, "non-reference pictures"
        )
    }

    private static func isClean(_ stream: String, keeping: @escaping (NALUnit) -> Bool, _ threads: Int) -> Bool {
        var frames = 0
        let report = try? StreamWork.decode(stream, threads: threads, keep: keeping) { _, _ in frames += 1 }
        return report?.isClean == true && frames > 0
    }

    /// A hash of all samples that come out; nil where decoding fails.
    private static func hash(
        _ stream: String, keeping: @escaping (NALUnit) -> Bool, _ keys: KeyRing?, _ threads: Int
    ) -> String? {
        var sha = SHA256()
        var frames = 0
        let report = try? StreamWork.decode(
            stream, threads: threads, hooks: keys.map { Decryption(keys: $0) }, keep: keeping
        ) { layer, frame in
            sha.update(data: [UInt8(layer)])
            for plane in frame.planes { plane.withUnsafeBytes { sha.update(bufferPointer: $0) } }
            frames += 1
        }
        guard report?.isClean == true, frames > 0 else { return nil }
        return sha.finalize().map { String($0, radix: 16) }.joined()
    }

    /// Whether ffmpeg decodes a file without a word of complaint.
    private static func accepts(_ ffmpeg: String, _ path: String) -> Bool {
        guard
            let process = try? ChildProcess(
                ffmpeg, ["-nostdin", "-v", "error", "-f", "hevc", "-i", "file:" + path, "-f", "null", "-"]),
            let ending = try? process.wait()
        else { return false }
        return ending.status == 0 && process.lastMessage == nil
    }
}

/// Sees every run and changes none.
final class LookOnly: BinHook, BinHookProvider, @unchecked Sendable {
    func makeHook(layer: Int) -> (any BinHook)? { LookOnly() }
    func begin(_ unit: BinUnit) {}
    func replace(_ run: BinRun) -> UInt32 { run.bins }
}
