// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilSystem

/// Size, rate, depth and chroma format of video, and what its samples mean. Formats are equal whose frames are stored
/// alike.
public struct VideoFormat: Equatable, Sendable {
    /// Luma samples; may be odd (chroma planes of half the size are then rounded up).
    public var width: Int
    public var height: Int
    public var fps: (numerator: Int, denominator: Int)
    /// Bits per sample; 8, 10 or 12 to be encoded.
    public var bitDepth: Int
    public var chromaFormat: ChromaFormat
    public var colour: ColourDescription

    public init(
        width: Int, height: Int, fps: (numerator: Int, denominator: Int) = (25, 1), bitDepth: Int = 8,
        chromaFormat: ChromaFormat = .yuv420, colour: ColourDescription = ColourDescription()
    ) {
        self.width = width
        self.height = height
        self.fps = fps
        self.bitDepth = bitDepth
        self.chromaFormat = chromaFormat
        self.colour = colour
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.width == b.width && a.height == b.height && a.fps == b.fps && a.bitDepth == b.bitDepth
            && a.chromaFormat == b.chromaFormat
    }

    var bytesPerSample: Int { bitDepth > 8 ? 2 : 1 }

    /// Width and height of a component.
    public func size(ofComponent c: Int) -> (width: Int, height: Int) {
        chromaFormat.size(ofComponent: c, width: width, height: height)
    }

    /// Bytes of one raw frame.
    public var frameBytes: Int {
        (0..<chromaFormat.planeCount).reduce(0) { sum, c in
            let s = size(ofComponent: c)
            return sum + s.width * s.height * bytesPerSample
        }
    }
}

/// One picture: planes of UInt16 samples in row order, without gaps.
public final class VideoFrame: @unchecked Sendable {
    public let format: VideoFormat
    /// Y, Cb, Cr; or Y alone.
    public var planes: [[UInt16]]
    /// Payloads of registered user data messages that belong to the picture.
    public var userData: [[UInt8]] = []

    public init(format: VideoFormat, planes: [[UInt16]]) {
        self.format = format
        self.planes = planes
    }

    public convenience init(format: VideoFormat) {
        self.init(
            format: format,
            planes: (0..<format.chromaFormat.planeCount).map { c in
                let s = format.size(ofComponent: c)
                return [UInt16](repeating: 0, count: s.width * s.height)
            })
    }
}

/// What is wrong with video input or output, in one line.
public enum MediaError: Error, Sendable, CustomStringConvertible {
    case cannotOpen(path: String, reason: String)
    case notSupported(path: String, what: String)
    case truncated(path: String, frame: Int, offset: Int)
    /// Something else stands where a frame of y4m should begin.
    case noFrame(path: String, frame: Int, offset: Int)
    /// A coded source was damaged; what could be decoded of it came.
    case damaged(path: String)
    /// A container ends in the middle of something.
    case cutOff(path: String, what: String)
    case writeFailed(path: String, reason: String)
    /// The reader at the other end of a pipe has gone.
    case closedPipe(path: String)
    case needsSize(path: String)
    case noFFmpeg(path: String)
    case ffmpegFailed(path: String, reason: String)

    /// What the system says of an error of Foundation's, as of others.
    package static func reason(of error: any Error) -> String {
        let cause = (error as? CocoaError)?.underlying ?? error
        return (cause as? POSIXError).map { SystemError(Int32($0.code.rawValue)).description } ?? "\(cause)"
    }

    public var description: String {
        switch self {
        case .cannotOpen(let path, let reason): return "\(path): \(reason)"
        case .notSupported(let path, let what): return "\(path): \(what)"
        case .truncated(let path, let frame, let offset):
            return "\(path): ends inside frame \(frame), at byte \(offset)"
        case .noFrame(let path, let frame, let offset):
            return "\(path): no frame header at byte \(offset) (frame \(frame))"
        case .cutOff(let path, let what): return "\(path): \(what)"
        case .damaged(let path): return "\(path): the stream is damaged"
        case .writeFailed(let path, let reason): return "\(path): cannot write: \(reason)"
        case .closedPipe(let path): return "\(path): nobody reads it any more"
        case .needsSize(let path): return "\(path): raw video needs --size WxH (and --fps)"
        case .noFFmpeg(let path):
            return "\(path): is neither y4m nor raw yuv, and ffmpeg, which would read it, is not installed"
        case .ffmpegFailed(let path, let reason): return "\(path): ffmpeg: \(reason)"
        }
    }
}
