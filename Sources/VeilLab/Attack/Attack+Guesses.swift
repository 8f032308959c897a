// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilMedia
import VeilProtection

/// Attacks that guess what is encrypted from what pictures are like.
extension Attack {
    /// Streams in which guesses stand in place of the lowest encrypted layer's intra pictures, by name of the attack.
    func smoothed(
        _ encrypted: String, layers hit: Set<Int>, profile: ElementProfile
    ) throws -> [(name: String, stream: String)] {
        // Upper layers are predicted from the layer below, and have no intra pictures.
        guard let layer = hit.min() else { return [] }
        let hooks = ReplacingHooks(layers: hit, profile: profile, replacement: .means)
        let guesses = try IntraPicture.read(encrypted, layer: layer, hooks: hooks).mapValues {
            SmoothnessAttack().run($0)
        }
        if guesses.isEmpty { return [] }
        var streams: [(name: String, stream: String)] = []
        func inject(_ name: String, _ pictures: [Int: SamplePlane]) throws {
            let path = self.path("attack\(getpid()).guess\(streams.count).hevc")
            streams.append((name, path))
            try PictureInjection.run(encrypted, to: path, pictures: [layer: pictures], stripped: hit, hooks: hooks)
        }
        try inject("signs by smoothness", guesses)
        // Sizes may change: of the first picture's.
        let first = guesses.min { $0.key < $1.key }?.value
        let alike = guesses.filter { $0.value.width == first?.width && $0.value.height == first?.height }
        if alike.count > 1, var mean = first {
            // Where the scene stands still every intra picture is a guess of the same picture under another keystream.
            for i in mean.samples.indices {
                mean.samples[i] = alike.values.reduce(0) { $0 + $1.samples[i] } / Float(alike.count)
            }
            try inject("smoothness, mean of \(alike.count) intra pictures", alike.mapValues { _ in mean })
        }
        return streams
    }

    /// Encrypts everything there is, hides pictures beyond that, and looks at what is left: pictures and sketches.
    func hide(
        _ stream: String, _ hiding: HiddenPictures, _ ids: [Int], _ report: inout AttackReport,
        _ pictures: inout Pictures
    ) throws {
        let hidden = path("attack\(getpid()).hidden.hevc")
        defer { unlink(hidden) }
        let encryption = try StreamWork.encryption(
            scheme: .all, cipher: .aes128, profile: .maximal, layers: ids, hiding: hiding)
        try StreamWork.transcode(stream, to: hidden, mode: .encrypt(encryption), threads: settings.threads)
        report.hidden.append(
            AttackReport.Hidden(
                level: hiding.rawValue, bytes: StreamWork.size(hidden), clearBytes: StreamWork.size(stream)))
        let hooks = ReplacingHooks(layers: Set(ids), profile: .maximal, replacement: .means)
        if hiding != .none {
            for (name, view) in [
                ("as it stands", try view(hidden)), ("means, signs positive", try view(hidden, hooks: hooks)),
            ] {
                addAttempt(view, scheme: "all, --hide \(hiding.rawValue)", profile: "maximal", attack: name, &report)
                if let frame = view.frame {
                    pictures.attempts.append(("all, --hide \(hiding.rawValue): \(name)", frame))
                }
            }
        }
        try sketches(hidden, hiding, ids, hooks, &report, &pictures)
    }

    /// Sketches from what is not encrypted.
    private func sketches(
        _ encrypted: String, _ hiding: HiddenPictures, _ ids: [Int], _ hooks: ReplacingHooks,
        _ report: inout AttackReport, _ pictures: inout Pictures
    ) throws {
        for layer in ids {
            // Numbers in output order; in decoding order there are as many.
            let all = Set(0...(bench.truths.keys.max() ?? 0))
            let found = try Sketch.read(encrypted, layer: layer, pictures: all, hooks: hooks)
            for isIntra in [true, false] {
                let sketches = found.values.filter { $0.isIntra == isIntra && bench.truths[$0.poc] != nil }
                guard let first = sketches.min(by: { $0.poc < $1.poc }) else { continue }
                for source in SketchSource.allCases {
                    let fields = Dictionary(
                        sketches.map { ($0.poc, $0.sketch.field(source)) }, uniquingKeysWith: { first, _ in first })
                    guard
                        let recognition = bench.recognize(
                            fields, width: first.sketch.width, height: first.sketch.height)
                    else { continue }
                    report.drawings.append(
                        AttackReport.Drawing(
                            layer: layer, source: source.rawValue, isIntra: isIntra, hiding: hiding.rawValue,
                            recognition: recognition))
                }
                let name = "layer \(layer), \(isIntra ? "intra" : "inter") picture \(first.poc)"
                let level = hiding == .none ? "" : ", --hide \(hiding.rawValue)"
                pictures.maps.append(
                    ("\(name): sketch of all that is not encrypted\(level)", first.sketch.image(.combined)))
            }
        }
    }

    /// Notes what an attack gave.
    func addAttempt(
        _ view: View, scheme: String, profile: String, attack: String, _ report: inout AttackReport
    ) {
        report.attempts.append(
            AttackReport.Attempt(
                scheme: scheme, profile: profile, attack: attack, psnrY: view.quality.psnrY, ssim: view.quality.ssim,
                vif: view.quality.vif, edgeSimilarity: 1 - (view.quality.edgeDifferentialRatio ?? 1),
                recognition: view.recognition))
    }
}
