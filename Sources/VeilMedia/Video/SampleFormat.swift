// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// Chroma samples and bits of planar video that can be coded, by ffmpeg's names: yuv420p, yuv422p10le, gray12le.
public struct SampleFormat: Equatable, Sendable, CustomStringConvertible {
    public let chromaFormat: ChromaFormat
    /// 8, 10 or 12.
    public let bitDepth: Int

    private static let names: [(String, ChromaFormat)] = [
        ("gray", .monochrome), ("yuv420p", .yuv420), ("yuv422p", .yuv422), ("yuv444p", .yuv444),
    ]

    init?(_ chromaFormat: ChromaFormat, bitDepth: Int) {
        guard [8, 10, 12].contains(bitDepth) else { return nil }
        self.chromaFormat = chromaFormat
        self.bitDepth = bitDepth
    }

    /// Nil for names of what is not coded; `le`, the order of bytes, may be left out.
    public init?(name: String) {
        guard let (prefix, chroma) = Self.names.first(where: { name.hasPrefix($0.0) }) else { return nil }
        switch name.dropFirst(prefix.count) {
        case "": self.init(chroma, bitDepth: 8)
        case "10", "10le": self.init(chroma, bitDepth: 10)
        case "12", "12le": self.init(chroma, bitDepth: 12)
        default: return nil
        }
    }

    public var description: String {
        let name = Self.names.first { $0.1 == chromaFormat }?.0 ?? ""
        return name + (bitDepth == 8 ? "" : "\(bitDepth)le")
    }

    /// Names of all there are.
    public static var list: String {
        names.flatMap { name in ["", "10le", "12le"].map { name.0 + $0 } }.joined(separator: ", ")
    }

    /// Chroma samples of one of ffmpeg's formats; nil where it has none of luma, or other ones.
    static func chroma(of name: String) -> ChromaFormat? {
        func has(_ parts: String...) -> Bool { parts.contains { name.contains($0) } }
        if name.hasPrefix("gray") { return .monochrome }
        if has("420", "nv12", "nv21", "p010", "p012", "p016") { return .yuv420 }
        if has("422", "nv16", "nv20", "p210", "p212", "p216", "y210", "y212") { return .yuv422 }
        if has("yuv444", "yuvj444", "yuva444", "nv24", "nv42", "p410", "p412", "p416") { return .yuv444 }
        return nil
    }
}
