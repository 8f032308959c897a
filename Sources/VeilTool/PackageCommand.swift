// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilBitstream
import VeilMedia
import VeilProtection
import VeilSystem

struct PackageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "package", abstract: "Write segments and a DASH manifest, layer by layer; no keys.",
        discussion: """
            Each layer is a representation of its own (manifest.mpd) with segments that
            begin at the base layer's IRAP pictures, so that the base layer goes to
            everybody and upper layers to those who may have them. Sound comes along;
            subtitles, chapters and titles do not. index.html plays the base layer where the
            browser can.

            The folder is made, or is empty; a package that it holds is replaced when the
            new one is whole, other files beside it stay. Any other folder is refused.

            The segments of a layer and of those it needs, one after the other behind its
            initialization segment, are a file that Veil reads:
              cat layer1-init.mp4 layer0-1.m4s layer1-1.m4s layer0-2.m4s ... >all.mp4

            EXAMPLES
              veil package out.hevc -o site
              veil package out.mp4 -o site --segment 4
            """)

    @Argument(help: "Stream, '-' for standard input.")
    var input: String
    @Option(name: .shortAndLong, help: "Folder to write to.")
    var output: String
    @Option(help: "Seconds of a segment, at least; it ends where the next IRAP picture is.")
    var segment: Double = 2
    @Option(help: "Frames per second, where the stream does not tell.")
    var fps: FrameRate?
    @OptionGroup var logging: LoggingOptions

    func run() throws {
        guard segment.isFinite, (0...3600).contains(segment) else {
            throw ValidationError("--segment takes 0 to 3600 seconds")
        }
        let package = try LayerPackage(
            folder: output, seconds: segment, frameRate: fps?.fraction)
        try CommandFiles.check(reads: [input], writes: package.replaced)
        let chunks = try StreamChunks(InputFile(path: input))
        package.frameRate = package.frameRate ?? chunks.frameRate?.fraction
        package.others = chunks.others
        if let movie = chunks.movie {
            package.keep(movie)
        } else if let carried = try chunks.carried(beside: package.manifest) {
            package.keep(carried)
        } else if !chunks.others.isEmpty {
            warn("\(output): left out: \(chunks.others.joined(separator: ", "))")
        }
        var grouping = AccessUnitGrouping()
        try StreamInput.named(input) {
            var reader = AnnexBReader { try chunks.next() }
            while let nal = try reader.nextUnit() {
                if let message = try ProtectionSEI.message(in: nal) {
                    package.protection[message.layer] = LayerPackage.Protection(
                        keyId: message.keyId, cipher: message.cipher.name, scheme: message.scheme.name)
                }
                if let unit = grouping.push(nal) { try package.write(unit) }
            }
            if let unit = grouping.finish() { try package.write(unit) }
            for note in try package.finish() { warn("\(input): \(note)") }
        }
    }
}
