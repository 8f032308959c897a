// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilProtection
import VeilSystem

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
        _ stream: String, _ hiding: HiddenPictures, _ ids: [Int], key: Int, _ report: inout AttackReport,
        _ pictures: inout Pictures
    ) throws {
        let hidden = path("attack\(getpid()).hidden.hevc")
        defer { unlink(hidden) }
        let encryption = try StreamWork.encryption(
            scheme: .all, cipher: .aes128, profile: .maximal, layers: ids, hiding: hiding)
        try StreamWork.transcode(stream, to: hidden, mode: .encrypt(encryption), threads: settings.threads)
        if key == 0 {
            report.hidden.append(
                AttackReport.Hidden(
                    level: hiding.rawValue, bytes: StreamWork.size(hidden), clearBytes: StreamWork.size(stream)))
        }
        let hooks = ReplacingHooks(layers: Set(ids), profile: .maximal, replacement: .means)
        if hiding != .none {
            for (name, view) in [
                ("as it stands", try view(hidden)), ("means, signs positive", try view(hidden, hooks: hooks)),
            ] {
                addAttempt(
                    view, scheme: "all, --hide \(hiding.rawValue)", profile: "maximal", attack: name, key: key, &report)
                if key == 0, let frame = view.frame {
                    pictures.attempts.append(("all, --hide \(hiding.rawValue): \(name)", frame))
                }
            }
        }
        // What is not encrypted is the same under every key.
        if key == 0 { try sketches(hidden, hiding, ids, hooks, &report, &pictures) }
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

    /// What would be left if more than bypass bins were replaced, and what that would cost.
    func replaceMore(
        _ stream: String, _ ids: [Int], _ report: inout AttackReport, _ pictures: inout Pictures
    ) throws {
        guard let layer = ids.first else { return }
        let rewritten = path("attack\(getpid()).replaced.hevc")
        let encrypted = path("attack\(getpid()).encrypted.hevc")
        defer {
            unlink(rewritten)
            unlink(encrypted)
        }
        let hooks = ReplacingHooks(layers: Set(ids), profile: .maximal, replacement: .means)
        let every = Set(ReplacedElements.allCases)
        for elements in [[]] + ReplacedElements.allCases.map({ [$0] }) + [every] {
            let failed = try ElementReplacement.run(stream, to: rewritten, layers: Set(ids), elements)
            guard failed == 0 else { throw MediaError.notSupported(path: stream, what: "cannot be written again") }
            let encryption = try StreamWork.encryption(scheme: .all, cipher: .aes128, profile: .maximal, layers: ids)
            try StreamWork.transcode(rewritten, to: encrypted, mode: .encrypt(encryption), threads: settings.threads)
            let view = try view(encrypted)
            let hidden = elements.reduce(into: Set<SketchSource>()) { $0.formUnion($1.sketches) }
            let found = try Sketch.read(
                encrypted, layer: layer, pictures: Set(0...(bench.truths.keys.max() ?? 0)), hooks: hooks)
            func note(_ name: String, _ left: Set<SketchSource>, _ view: View?) {
                report.replaced.append(
                    AttackReport.Replaced(
                        elements: name, bytes: StreamWork.size(rewritten), clearBytes: StreamWork.size(stream),
                        seen: view?.recognition, intra: strongest(found.values.filter(\.isIntra).map { $0 }, left),
                        inter: strongest(found.values.filter { !$0.isIntra }, left)))
            }
            let names = elements.map(\.rawValue).sorted().joined(separator: "; ")
            note(
                elements.isEmpty ? "no others" : elements == every ? "all of these" : names,
                SketchSource.single.subtracting(hidden), view)
            if let frame = view.frame, !elements.isEmpty {
                pictures.attempts.append(("all, replaced: \(names)", frame))
            }
            if elements == every {
                // Only an encoder that looks at no picture could hide these; bits are drawn as they are.
                note("all of these, and if partition, skip and dQP told nothing", [.bits], nil)
            }
        }
    }

    /// The one of several sketches, or all of them together, that tells pictures best.
    private func strongest(
        _ found: [(sketch: Sketch, poc: Int, isIntra: Bool)], _ sources: Set<SketchSource>
    ) -> AttackReport.Strongest? {
        let known = found.filter { bench.truths[$0.poc] != nil }
        guard let first = known.first?.sketch else { return nil }
        let drawn =
            SketchSource.allCases.filter(sources.contains).map { ($0.rawValue, [$0] as Set) }
            + [("together", sources)]
        return drawn.compactMap { name, sources in
            let fields = Dictionary(
                known.map { ($0.poc, $0.sketch.combination(of: sources)) }, uniquingKeysWith: { first, _ in first })
            return bench.recognize(fields, width: first.width, height: first.height).map {
                AttackReport.Strongest(source: name, recognition: $0)
            }
        }.max {
            ($0.recognition.rankOne, -$0.recognition.meanRank) < ($1.recognition.rankOne, -$1.recognition.meanRank)
        }
    }

    /// Notes what an attack gave.
    func addAttempt(
        _ view: View, scheme: String, profile: String, attack: String, key: Int, _ report: inout AttackReport
    ) {
        report.attempts.append(
            AttackReport.Attempt(
                scheme: scheme, profile: profile, attack: attack, key: key, psnrY: view.quality.psnrY,
                ssim: view.quality.ssim,
                vif: view.quality.vif, edgeSimilarity: 1 - (view.quality.edgeDifferentialRatio ?? 1),
                recognition: view.recognition))
    }
}
