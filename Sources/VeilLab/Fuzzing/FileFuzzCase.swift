// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilMedia
import VeilProtection
import VeilSystem

/// Runs what is no byte stream, whole or damaged, through what reads it: y4m sources, key files, sidecars and ISO base
/// media. Errors are expected; traps, hangs and growth are not.
package struct FileFuzzCase {
    package enum Kind: String, CaseIterable, Sendable {
        case y4m, keys, sidecar
        /// MP4 and QuickTime: read, and its other tracks copied into a new file.
        case isoMedia = "mp4"
        /// Matroska and transport streams, of which only the end is looked for here.
        case container
    }

    package let kind: Kind
    package let bytes: [UInt8]
    /// Where the bytes are put for what reads files only. Written over.
    private let scratch: FuzzScratch

    package init(kind: Kind, bytes: [UInt8], scratch: FuzzScratch) {
        self.kind = kind
        self.bytes = bytes
        self.scratch = scratch
    }

    /// What was read, as a number that differs where anything was read.
    @discardableResult
    package func run() -> FuzzCase.Outcome {
        var outcome = FuzzCase.Outcome()
        do {
            switch kind {
            case .y4m: try readVideo(&outcome)
            case .keys:
                let ring = try KeyRing(json: Data(bytes), source: "fuzz")
                outcome.output += ring.layers.count
                outcome.pictures += try KeyRing(json: try ring.json(), source: "again").layers.count
            case .sidecar:
                let sidecar = try Sidecar(text: String(decoding: bytes, as: UTF8.self), source: "fuzz")
                outcome.output += sidecar.messages.count
                outcome.pictures += try Sidecar(text: sidecar.text, source: "again").messages.count
            case .isoMedia: try readMovie(&outcome)
            case .container:
                let input = try InputFile(path: try scratch.write(bytes, name: "container"))
                if try ContainerEnd.damage(of: input) == nil { outcome.pictures += 1 }
                outcome.output += 1
            }
        } catch { outcome.errors += 1 }
        return outcome
    }

    private func readVideo(_ outcome: inout FuzzCase.Outcome) throws {
        // What is no y4m any more is read as samples of the size given.
        let source = try VideoSource.open(path: try scratch.write(bytes, name: "source.yuv"), size: (16, 16))
        while let frame = try source.nextFrame(), outcome.pictures < 64 {
            outcome.pictures += 1
            outcome.output += frame.planes.count
        }
        if source.damage != nil { outcome.errors += 1 }
    }

    private func readMovie(_ outcome: inout FuzzCase.Outcome) throws {
        let path = try scratch.write(bytes, name: "movie.mp4")
        guard let file = OpenFile(forReadingAtPath: path) else { return }
        defer { try? file.close() }
        var first: [NALUnit] = []
        do {
            var reader = try IsoMediaReader(file: file)
            _ = (reader.times, reader.hasSeveralLayers)
            while let unit = try reader.nextUnit() {
                if first.count < 64 { first.append(unit) }
                outcome.output += 1
                if unit.header.nalUnitType.isSlice { outcome.pictures += 1 }
            }
        } catch { outcome.errors += 1 }
        let writer = try IsoMediaWriter(path: scratch.path("out.mp4"), frameRate: (25, 1))
        try writer.copyTracks(from: file)
        try writer.write(first, displayIndex: 0)
        try writer.finish()
        outcome.output += writer.bytesWritten
    }
}

/// A folder for the files of fuzz cases, removed with the object.
package final class FuzzScratch: @unchecked Sendable {
    private let folder: String

    package init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/veil-fuzz-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Writes a file, in place of the last case's.
    func write(_ bytes: [UInt8], name: String) throws -> String {
        let path = path(name)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        let file = OpenFile(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: bytes)
        try file.close()
        return path
    }
}
