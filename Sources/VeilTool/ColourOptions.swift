// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Veil
import VeilMedia

/// What samples mean, where the source does not tell or is wrong. Names are those of x265 and ffmpeg.
struct ColourOptions: ParsableArguments {
    @Option(help: "Colour primaries: bt709, bt470bg, smpte170m, bt2020, smpte432 ... (default: the source's)")
    var colorprim: String?
    @Option(help: "Transfer characteristics: bt709, smpte170m, iec61966-2-1, smpte2084, arib-std-b67 ...")
    var transfer: String?
    @Option(help: "Matrix: bt709, smpte170m, bt470bg, bt2020nc, bt2020c, ictcp ...")
    var colormatrix: String?
    @Option(help: "Range of samples, limited or full (tv or pc). Says it; no sample is converted.")
    var range: String?
    @Option(help: "Where chroma samples lie: left, center, topleft, top, bottomleft, bottom, or 0 to 5.")
    var chromaloc: String?
    @Option(help: "Aspect of a sample of the source, as W:H. Layers of other shapes get one that fits.")
    var sar: String?
    @Option(help: "Mastering display as x265 has it: G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min).")
    var masterDisplay: String?
    @Option(help: "Content light level: the greatest and the pictures' average, as 1000,400.")
    var maxCll: String?
    @Option(help: "Transfer characteristics for displays that know them in place of --transfer (arib-std-b67 for HLG).")
    var atcSei: String?
    @Flag(help: "HDR10: bt2020, smpte2084, bt2020nc where no other option says otherwise; needs ten bits.")
    var hdr10 = false

    func validate() throws { _ = try given() }

    /// What the options say.
    private func given() throws -> ColourDescription {
        func value(_ text: String?, _ option: String, _ table: ColourNames.Table) throws -> Int? {
            guard let text else { return nil }
            if ["unknown", "undef", "unspecified"].contains(text.lowercased()) { return 2 }
            guard let value = table.value(of: text) else {
                throw ValidationError("--\(option) takes \(table.list); not '\(text)'")
            }
            return value
        }
        var colour = ColourDescription()
        colour.primaries = try value(colorprim, "colorprim", ColourNames.primaries) ?? (hdr10 ? 9 : nil)
        colour.transfer = try value(transfer, "transfer", ColourNames.transfer) ?? (hdr10 ? 16 : nil)
        colour.matrix = try value(colormatrix, "colormatrix", ColourNames.matrix) ?? (hdr10 ? 9 : nil)
        colour.alternativeTransfer = try value(atcSei, "atc-sei", ColourNames.transfer)
        colour.chromaLocation = try value(chromaloc, "chromaloc", ColourNames.chromaLocation)
        switch range?.lowercased() {
        case nil: break
        case "limited", "tv", "mpeg": colour.isFullRange = false
        case "full", "pc", "jpeg": colour.isFullRange = true
        default: throw ValidationError("--range takes limited or full; not '\(range ?? "")'")
        }
        if let sar {
            let parts = sar.split(whereSeparator: { $0 == ":" || $0 == "/" }).map { Int($0) ?? 0 }
            guard parts.count == 2, parts.allSatisfy({ (1...65535).contains($0) }) else {
                throw ValidationError("--sar takes W:H, each 1 to 65535; not '\(sar)'")
            }
            colour.sampleAspect = (parts[0], parts[1])
        }
        if let masterDisplay {
            guard let display = ColourDescription.MasteringDisplay(text: masterDisplay) else {
                throw ValidationError(
                    "--master-display takes G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min); not '\(masterDisplay)'")
            }
            colour.masteringDisplay = display
        }
        if let maxCll {
            let parts = maxCll.split(separator: ",").map { Int($0) ?? -1 }
            guard parts.count == 2, parts.allSatisfy({ (0...65535).contains($0) }) else {
                throw ValidationError("--max-cll takes two levels up to 65535, as 1000,400; not '\(maxCll)'")
            }
            colour.contentLight = .init(maximum: parts[0], average: parts[1])
        }
        return colour
    }

    /// What is to be said of a source: what the options say, and elsewhere what it says itself.
    func description(of source: VideoFormat) throws -> ColourDescription {
        let colour = try given().completed(by: source.colour)
        if colour.matrix == 0 && source.chromaFormat != .yuv444 {
            throw ValidationError("--colormatrix gbr is for 4:4:4 pictures")
        }
        return colour
    }

    /// - Parameter depths: bits of each layer.
    func check(depths: [Int]) throws {
        if hdr10, let layer = depths.firstIndex(where: { $0 < 10 }) {
            throw ValidationError("--hdr10: layer \(layer) has \(depths[layer]) bits: add --depth 10")
        }
    }
}
