// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Veil
import VeilMedia

/// An encoded stream as an ISO base media file with all its layers, and the sound of its source where that is one too.
struct MovieOutput {
    private let writer: IsoMediaWriter

    /// Nil where the name asks for no such file.
    init?(path: String, frameRate: (numerator: Int, denominator: Int)) throws {
        let suffix = (path as NSString).pathExtension.lowercased()
        guard ["mp4", "m4v", "mov"].contains(suffix) else {
            guard ContainerOutput.isContainer(path) else { return nil }
            throw MediaError.writeFailed(
                path: path, reason: "encode writes .hevc and .mp4; extract puts a single layer into .\(suffix)")
        }
        writer = try IsoMediaWriter(path: path, frameRate: frameRate)
    }

    var bytesWritten: Int { writer.bytesWritten }

    /// - Parameter index: how many access units were written before.
    func write(_ unit: AccessUnit, at index: Int) throws {
        try writer.write(unit.units, displayIndex: unit.displayIndex ?? index)
    }

    /// - Parameter source: the path of what was encoded.
    func finish(soundOf source: String) throws {
        // Opening a pipe once more would wait for another writer.
        let type = try? FileManager.default.attributesOfItem(atPath: source)[.type] as? FileAttributeType
        if source != "-", type == .typeRegular {
            let input = try InputFile(path: source)
            if try input.kind() == .isoMedia {
                do { try writer.copyTracks(from: try input.seekable()) } catch let error as IsoMediaError {
                    warn("\(source): its sound is left out: \(error)")
                }
            } else if !["y4m", "yuv", "hevc", "265", "bit"].contains((source as NSString).pathExtension.lowercased()) {
                warn("\(source): sound is kept of MP4 and QuickTime sources only")
            }
        }
        try writer.finish()
    }
}
