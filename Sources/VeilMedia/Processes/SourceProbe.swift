// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilSystem

/// What ffprobe tells of the video of a file that ffmpeg decodes, and how ffmpeg is to hand it over so that samples
/// keep their meaning. Without ffprobe nothing is known.
package struct SourceProbe {
    private(set) var colour = ColourDescription()
    /// 8, or 10 for all that has more, unless other samples are asked for.
    private(set) var bitDepth = 8
    /// What of its samples could be coded that are read as others.
    private(set) var lostSamples: SampleFormat?
    private let samples: SampleFormat?
    /// Pictures have a plane of alpha.
    private(set) var hasAlpha = false
    /// Alpha is in another stream, as WebM has it, which ffmpeg's own decoders pass over.
    private(set) var hasAlphaBeside = false
    /// Colours are those of a palette, which may have alpha.
    private(set) var hasPalette = false
    /// ffprobe's name of it, where pictures are interlaced.
    private(set) var fieldOrder: String?
    /// What is not carried on, a line each.
    private(set) var notes: [String] = []
    private var isRGB = false
    /// By 90 degrees.
    private var isTurned = false
    /// Frames a second, nominally, where they are not evenly apart.
    private(set) var varyingRate: FrameRate?

    /// ffprobe's answer; all of it may be missing.
    private struct Answer: Decodable {
        var streams: [Stream]?
        var frames: [Frame]?
    }

    private struct Stream: Decodable {
        var pixFmt: String?
        var colorRange: String?
        var colorSpace: String?
        var colorTransfer: String?
        var colorPrimaries: String?
        var chromaLocation: String?
        var sampleAspectRatio: String?
        var fieldOrder: String?
        var rFrameRate: String?
        var avgFrameRate: String?
        var tags: [String: String]?
        var sideDataList: [SideData]?
    }

    private struct Frame: Decodable {
        var interlacedFrame: Int?
        var colorTransfer: String?
        var sideDataList: [SideData]?
    }

    private struct SideData: Decodable {
        var sideDataType: String?
        /// Degrees.
        var rotation: Double?
        var redX: String?
        var redY: String?
        var greenX: String?
        var greenY: String?
        var blueX: String?
        var blueY: String?
        var whitePointX: String?
        var whitePointY: String?
        var minLuminance: String?
        var maxLuminance: String?
        var maxContent: Int?
        var maxAverage: Int?
    }

    /// Bytes of a pipe's beginning that ffprobe is shown.
    private static let pipeBeginning = 1 << 16

    /// - Parameter samples: what it is read as, where that is not 4:2:0 of 8 or 10 bits.
    init(_ input: InputFile, samples: SampleFormat? = nil) throws {
        self.samples = samples
        guard let program = ChildProcess.find("ffprobe") else {
            notes.append("ffprobe is not installed: colour, range and aspect are not known")
            return
        }
        // Of some files the first pictures are not shown, but only decoded.
        for packets in [1, 250] {
            guard let answer = try Self.answer(input, program, packets: packets), let stream = answer.streams?.first
            else { return }
            let frame = answer.frames?.first
            if frame == nil && packets == 1 { continue }
            readProperties(of: stream, frame)
            return
        }
    }

    private static func answer(_ input: InputFile, _ program: String, packets: Int) throws -> Answer? {
        let what = [
            "-select_streams", "v:0", "-show_streams", "-show_frames", "-read_intervals", "%+#\(packets)",
        ]
        let limit = 4 << 20
        let text: Data
        if let known = try FFmpeg.probe(input, what, form: "json", limit: limit) {
            text = Data(known.utf8)
        } else {
            let process: ChildProcess
            do {
                process = try ChildProcess(
                    program,
                    ["-v", "error", "-protocol_whitelist", "file,pipe"] + what + ["-of", "json", "-i", "pipe:0"],
                    input: .pipe, output: .pipe)
            } catch is ChildError { return nil }
            signal(SIGPIPE, SIG_IGN)
            // It closes its end when it has seen enough.
            try? process.write(input.beginning(Self.pipeBeginning))
            process.endInput()
            guard let bytes = try? process.outputBytes(limit: limit) else { return nil }
            text = Data(bytes)
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try? decoder.decode(Answer.self, from: text)
    }

    private mutating func readProperties(of stream: Stream, _ frame: Frame?) {
        let format = stream.pixFmt ?? ""
        isRGB = ["rgb", "bgr", "gbr", "0rgb", "argb", "abgr", "pal8", "x2"].contains { format.hasPrefix($0) }
        let depth = Self.depth(format)
        bitDepth = samples?.bitDepth ?? (depth > 8 ? 10 : 8)
        if depth > max(bitDepth, samples == nil ? 10 : 8) {
            notes.append("samples of \(depth) bits are coded with \(bitDepth)")
        }
        let stored = SampleFormat.chroma(of: format)
        let chroma = samples?.chromaFormat ?? .yuv420
        if !isRGB, !format.isEmpty, stored != chroma { notes.append("\(format) is coded as \(chroma)") }
        if let stored, stored != chroma || depth > bitDepth {
            lostSamples = SampleFormat(stored, bitDepth: depth)
        }
        hasAlpha =
            ["yuva", "rgba", "argb", "bgra", "abgr", "gbrap", "ya8", "ya16", "ayuv", "vuya"]
            .contains { format.hasPrefix($0) }
        // WebM has it beside the stream.
        hasAlphaBeside =
            stream.tags?.contains { $0.key.lowercased() == "alpha_mode" && $0.value == "1" } ?? false
        hasPalette = format == "pal8"
        if hasAlpha {
            notes.append("its alpha (\(format)) is left out")
        } else if hasAlphaBeside {
            notes.append("its alpha is left out")
        } else if hasPalette {
            notes.append("its alpha is left out, if its palette has any")
        }
        colour.primaries = stream.colorPrimaries.flatMap { ColourNames.primaries.value(of: $0) }
        colour.transfer = stream.colorTransfer.flatMap { ColourNames.transfer.value(of: $0) }
        // Of pictures ffmpeg says what is preferred (SEI 147), of the whole what the file says: HLG, which others take
        // for what their files say.
        let shown = frame?.colorTransfer.flatMap { ColourNames.transfer.value(of: $0) }
        if shown == 18, let transfer = colour.transfer, transfer != 18 { colour.alternativeTransfer = 18 }
        colour.matrix = stream.colorSpace.flatMap { ColourNames.matrix.value(of: $0) }
        colour.chromaLocation = stream.chromaLocation.flatMap { ColourNames.chromaLocation.value(of: $0) }
        switch stream.colorRange {
        case "pc": colour.isFullRange = true
        case "tv": colour.isFullRange = false
        default: if format.hasPrefix("yuvj") { colour.isFullRange = true }
        }
        if isRGB {
            // What ffmpeg makes of RGB unless it is told otherwise.
            colour.matrix = 6
            colour.isFullRange = chroma == .monochrome
            let range = chroma == .monochrome ? "full" : "limited"
            notes.append("RGB (\(format)) is converted to \(chroma) of BT.601 and \(range) range")
        }
        if let aspect = stream.sampleAspectRatio?.split(separator: ":").compactMap({ Int($0) }), aspect.count == 2,
            aspect.allSatisfy({ (1...65535).contains($0) })
        {
            colour.sampleAspect = (aspect[0], aspect[1])
        }
        if let order = stream.fieldOrder, ["tt", "bb", "tb", "bt"].contains(order) { fieldOrder = order }
        if fieldOrder == nil, frame?.interlacedFrame == 1 { fieldOrder = "of its first picture" }
        for data in (stream.sideDataList ?? []) + (frame?.sideDataList ?? []) { readSideData(data) }
        if let aspect = colour.sampleAspect, isTurned { colour.sampleAspect = (aspect.height, aspect.width) }
        // Chroma samples lie elsewhere between those of luma then.
        if isTurned { colour.chromaLocation = nil }
        if let nominal = stream.rFrameRate.flatMap({ FrameRate($0) }),
            let average = stream.avgFrameRate.flatMap({ FrameRate($0) })
        {
            let ratio =
                Double(average.numerator) * Double(nominal.denominator)
                / (Double(average.denominator) * Double(nominal.numerator))
            if !(0.99...1.01).contains(ratio) { varyingRate = nominal }
        }
    }

    private mutating func readSideData(_ data: SideData) {
        switch data.sideDataType ?? "" {
        case "Display Matrix":
            // ffmpeg hands pictures over upright.
            isTurned = abs(data.rotation ?? 0).truncatingRemainder(dividingBy: 180) == 90
        case "Mastering display metadata":
            var display = ColourDescription.MasteringDisplay()
            func number(_ text: String?, _ unit: Double) -> Int {
                let parts = (text ?? "").split(separator: "/").compactMap { Double($0) }
                guard parts.count == 2, (parts[0] / parts[1]).isFinite else { return 0 }
                return Int(min(max((parts[0] / parts[1] * unit).rounded(), 0), 0xFFFF_FFFF))
            }
            func point(_ x: String?, _ y: String?) -> (x: Int, y: Int) {
                (min(number(x, 50000), 0xFFFF), min(number(y, 50000), 0xFFFF))
            }
            display.red = point(data.redX, data.redY)
            display.green = point(data.greenX, data.greenY)
            display.blue = point(data.blueX, data.blueY)
            display.white = point(data.whitePointX, data.whitePointY)
            display.maxLuminance = number(data.maxLuminance, 10000)
            display.minLuminance = number(data.minLuminance, 10000)
            colour.masteringDisplay = display
        case "Content light level metadata":
            guard let maximum = data.maxContent, let average = data.maxAverage, (0...65535).contains(maximum),
                (0...65535).contains(average)
            else { return }
            colour.contentLight = .init(maximum: maximum, average: average)
        case let type
        where type.contains("2094-40") || type.contains("Closed Captions") || type.contains("DOVI")
            || type.contains("Dolby Vision"):
            let isDolby = type.contains("DOVI") || type.contains("Dolby Vision")
            let note = Self.notCarried(isDolby ? "Dolby Vision" : type)
            if !notes.contains(note) { notes.append(note) }
        default: break
        }
    }

    /// That something a source says is lost.
    package static func notCarried(_ what: String) -> String { "\(what) is not carried on" }

    /// Bits a sample of one of ffmpeg's pixel formats.
    private static func depth(_ format: String) -> Int {
        guard format.hasSuffix("le") || format.hasSuffix("be") else { return 8 }
        let digits = format.dropLast(2).reversed().prefix { $0.isNumber }
        switch Int(String(digits.reversed())) ?? 8 {
        case 9: return 9
        case 10, 20, 30, 210, 410: return 10
        case 12, 212, 412, 36: return 12
        case 14: return 14
        case 16, 48, 64, 216, 416: return 16
        default: return format.contains("f32") ? 32 : 8
        }
    }

    /// ffmpeg converts full range to limited unless both are named; and to grey, which is full range to it.
    var conversion: String? {
        let isKept = colour.isFullRange == true || samples?.chromaFormat == .monochrome
        return isKept && !isRGB ? "scale=in_range=full:out_range=full" : nil
    }
}
