// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilDecoder
import VeilEntropy
import VeilMedia
import VeilProtection
import VeilSystem

/// Attacks a clear stream's encryptions.
package final class Attack {
    package struct Settings {
        package var clip = ""
        package var layers = "2x"
        package var qp = ""
        package var threads = 1
        package var figureFrame = 8
        package var folder = "."
        /// Clips whose pictures those of an attack are to be told from.
        package var gallery: [String] = []
        /// How many pictures to tell from.
        package var gallerySize = 100
        /// How many keys are tried.
        package var keys = 1
        package init() {}
    }

    package struct Pictures {
        package var attempts: [(caption: String, frame: VideoFrame)] = []
        package var maps: [(caption: String, image: RGBImage)] = []
        package var reuse: [(caption: String, frame: VideoFrame)] = []
    }

    struct View {
        var quality: EvaluationReport.Quality
        var frame: VideoFrame?
        var recognition: Recognition?
    }

    let settings: Settings
    private let progress: Progress
    private var clearPath = ""
    private var stride = 1
    private(set) var bench = RecognitionBench(truths: [:], others: [])

    package init(settings: Settings, progress: Progress) {
        self.settings = settings
        self.progress = progress
    }

    /// Steps of progress for a stream of `layers` layers.
    package static func steps(layers: Int) -> Int { (layers > 1 ? 3 : 1) * 2 + 10 }

    func path(_ name: String) -> String { "\(settings.folder)/\(name)" }

    /// - Parameters:
    ///   - stream: the clear stream.
    ///   - known: a clear stream of the same layers that the attacker knows, for the nonce used twice; nil to leave
    ///     that out.
    package func run(
        stream: String, known: String?, version: String, command: String
    ) throws -> (AttackReport, Pictures) {
        let ids = try StreamWork.layers(stream).map(\.id)
        guard let top = ids.last else { throw MediaError.notSupported(path: stream, what: "no pictures") }
        progress.step("decoding the clear stream")
        let files = LayerFiles(folder: settings.folder, name: "attack\(getpid())")
        defer { for id in ids { try? FileManager.default.removeItem(atPath: files.path(id)) } }
        guard try StreamWork.decode(stream, threads: settings.threads, frame: { try files.add($0, $1) }).isClean else {
            throw MediaError.notSupported(path: stream, what: "the clear stream does not decode")
        }
        try files.finish()
        clearPath = files.path(top)
        let frames = files.frames[top] ?? 0
        stride = max(frames / 8, 1)
        let format = try VideoSource.open(path: clearPath).format
        guard format.chromaFormat == .yuv420, format.bitDepth <= 10 else {
            throw MediaError.notSupported(
                path: settings.clip,
                what: "is \(format.chromaFormat) of \(format.bitDepth) bits: streams of 4:2:0 of 8 or 10 bits are "
                    + "attacked")
        }
        var report = AttackReport(
            version: version, command: command, machine: Machine.description, clip: settings.clip, width: format.width,
            height: format.height,
            frames: frames, layers: settings.layers, qp: settings.qp, attempts: [], structures: [],
            drawings: [], replaced: [], hidden: [], keyBits: [], reuse: [])
        var pictures = Pictures()
        pictures.attempts.append(("clear", try frame(clearPath, min(settings.figureFrame, frames - 1))))
        progress.step("pictures to tell from")
        bench = try makeBench(frames: frames, format: format)
        for profile in ElementProfile.allCases {
            for scheme in ids.count > 1 ? [Scheme.bl, .all, .el] : [.all] {
                progress.step("\(scheme.name), \(profile.name) elements")
                for key in 0..<settings.keys {
                    try attempt(stream, scheme, profile, ids, files, key: key, &report, &pictures)
                }
            }
        }
        progress.step("structure")
        try structure(stream, ids, files, &report, &pictures)
        for hiding in HiddenPictures.allCases {
            progress.step(hiding == .none ? "sketches" : "pictures hidden, level \(hiding.rawValue)")
            for key in 0..<settings.keys { try hide(stream, hiding, ids, key: key, &report, &pictures) }
        }
        progress.step("more elements replaced")
        try replaceMore(stream, ids, &report, &pictures)
        progress.step("one bit of the key")
        for cipher in [CipherKind.chaotic, .aes128, .aes256, .chacha20] {
            report.keyBits += try keyBits(stream, ids, cipher)
        }
        progress.step("a nonce used twice")
        if let known {
            for cipher in [CipherKind.aes128, .chaotic] {
                report.reuse.append(try reuse(stream, known, ids, cipher, &pictures))
            }
        }
        return (report, pictures)
    }

    // MARK: Replacement

    private func attempt(
        _ stream: String, _ scheme: Scheme, _ profile: ElementProfile, _ ids: [Int], _ files: LayerFiles,
        key: Int, _ report: inout AttackReport, _ pictures: inout Pictures
    ) throws {
        let encrypted = path("attack\(getpid()).encrypted.hevc")
        let stripped = path("attack\(getpid()).stripped.hevc")
        defer {
            unlink(encrypted)
            unlink(stripped)
        }
        let encryption = try StreamWork.encryption(scheme: scheme, cipher: .aes128, profile: profile, layers: ids)
        try StreamWork.transcode(stream, to: encrypted, mode: .encrypt(encryption), threads: settings.threads)
        let hit = Set(encryption.encryptedLayers)
        func note(_ name: String, _ view: View) {
            self.addAttempt(view, scheme: scheme.name, profile: profile.name, attack: name, key: key, &report)
            if key == 0, let frame = view.frame {
                let elements = profile == .paper ? "" : ", \(profile.name)"
                pictures.attempts.append(("\(scheme.name)\(elements): \(name)", frame))
            }
        }
        note("as it stands", try view(encrypted))
        for replacement in Replacement.allCases {
            let name = replacement == .constants ? "constants, signs positive" : "means, signs positive"
            note(
                name,
                try view(encrypted, hooks: ReplacingHooks(layers: hit, profile: profile, replacement: replacement)))
        }
        try ResidualStripping.run(encrypted, to: stripped, layers: hit)
        note("residual zeroed", try view(stripped))
        for (name, stream) in try smoothed(encrypted, layers: hit, profile: profile) {
            defer { unlink(stream) }
            note(name, try view(stream))
        }
        if scheme == .el, let base = ids.first, ids.count > 1 {
            note("base layer enlarged", try enlarged(files.path(base)))
        }
    }

    /// What a decoder makes of a stream's highest layer, against the clear decode.
    func view(_ stream: String, hooks: (any BinHookProvider)? = nil, limit: Int = .max) throws -> View {
        let clear = try VideoSource.open(path: clearPath)
        var comparison = PictureComparison(format: clear.format, stride: stride)
        var index = 0
        var shown: VideoFrame?
        var wanted: [Int: VideoFrame] = [:]
        try StreamWork.decode(stream, output: .highest, threads: settings.threads, hooks: hooks) {
            [settings, bench] _, frame in
            guard index < limit, let truth = try clear.nextFrame() else { return }
            comparison.add(truth, frame)
            if bench.truths[index] != nil { wanted[index] = frame }
            if index <= settings.figureFrame { shown = frame }
            index += 1
        }
        guard index > 0 else { throw MediaError.notSupported(path: stream, what: "gives no pictures") }
        return View(quality: comparison.quality, frame: shown, recognition: bench.recognize(wanted))
    }

    /// The clear base layer, enlarged to the size of the highest layer.
    private func enlarged(_ base: String) throws -> View {
        let clear = try VideoSource.open(path: clearPath)
        let small = try VideoSource.open(path: base)
        let enlarge = Downsampler(source: small.format, target: clear.format)
        var comparison = PictureComparison(format: clear.format, stride: stride)
        var index = 0
        var shown: VideoFrame?
        var wanted: [Int: VideoFrame] = [:]
        while let truth = try clear.nextFrame(), let frame = try small.nextFrame() {
            let large =
                small.format.width == clear.format.width && small.format.height == clear.format.height
                ? frame : enlarge(frame)
            comparison.add(truth, large)
            if bench.truths[index] != nil { wanted[index] = large }
            if index <= settings.figureFrame { shown = large }
            index += 1
        }
        return View(quality: comparison.quality, frame: shown, recognition: bench.recognize(wanted))
    }

    // MARK: Structure

    private func structure(
        _ stream: String, _ ids: [Int], _ files: LayerFiles, _ report: inout AttackReport, _ pictures: inout Pictures
    ) throws {
        // From an encrypted stream: the map needs no key.
        let encrypted = path("attack\(getpid()).encrypted.hevc")
        defer { unlink(encrypted) }
        let encryption = try StreamWork.encryption(scheme: .all, cipher: .aes128, profile: .maximal, layers: ids)
        try StreamWork.transcode(stream, to: encrypted, mode: .encrypt(encryption), threads: settings.threads)
        for layer in ids {
            for picture in [0, settings.figureFrame] {
                guard let (map, poc) = try StructureMap.read(encrypted, layer: layer, picture: picture) else {
                    continue
                }
                let name = "layer \(layer), \(picture == 0 ? "first picture" : "picture \(picture)")"
                // The base layer begins at the first picture: output order is that of POC.
                guard let truth = try? frame(files.path(layer), poc) else { continue }
                let agreement = map.agreement(truth)
                report.structures.append(
                    AttackReport.Structure(
                        layer: layer, picture: name, correlation: agreement.correlation,
                        edgeSimilarity: agreement.edgeSimilarity,
                        chance: agreement.chance))
                pictures.maps.append(("\(name): what the structure shows", map.image))
                pictures.maps.append(("\(name): clear", RGBImage(truth)))
            }
        }
    }

    /// Frames of the clip that are looked for, and pictures they are told from.
    private func makeBench(frames: Int, format: VideoFormat) throws -> RecognitionBench {
        var truths: [Int: VideoFrame] = [:]
        let source = try VideoSource.open(path: clearPath)
        for index in 0..<frames {
            guard let frame = try source.nextFrame() else { break }
            if index % stride == 0 { truths[index] = frame }
        }
        let own = truths.sorted { $0.key < $1.key }.map(\.value)
        return RecognitionBench(
            truths: truths,
            others: try GalleryPictures.gather(
                count: settings.gallerySize - 1, clips: settings.gallery, own: own, format: format))
    }

    private func frame(_ path: String, _ index: Int) throws -> VideoFrame {
        let source = try VideoSource.open(path: path)
        for _ in 0..<max(index, 0) { _ = try source.nextFrame() }
        guard let frame = try source.nextFrame() else {
            throw MediaError.notSupported(path: path, what: "has no frame \(index)")
        }
        return frame
    }

    // MARK: Keys

    private func keyBits(_ stream: String, _ ids: [Int], _ cipher: CipherKind) throws -> [AttackReport.KeyBit] {
        let key = SecretBytes.random(32).bytes
        let nonce = SecretBytes.random(16).bytes
        func ring(_ bytes: [UInt8]) -> KeyRing {
            KeyRing(
                layers: ids.map {
                    LayerKey(layer: $0, id: "layer\($0)", key: SecretBytes(bytes), cipher: cipher, profile: .paper)
                })
        }
        func encryption(_ bytes: [UInt8]) throws -> Encryption {
            try StreamWork.encryption(
                scheme: .all, cipher: cipher, profile: .paper, layers: ids, keys: ring(bytes), nonce: nonce)
        }
        let first = path("attack\(getpid()).key.hevc")
        let second = path("attack\(getpid()).key2.hevc")
        defer {
            unlink(first)
            unlink(second)
        }
        // Without messages, so that a decryptor can be told the wrong key's.
        let right = try encryption(key)
        try StreamWork.transcode(stream, to: first, mode: .encrypt(right), threads: settings.threads, signals: false)
        let values = try NonceReuse.values(first, profile: .paper)
        return try [0, 131, 255].map { bit in
            var other = key
            other[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            let wrong = try encryption(other)
            try StreamWork.transcode(
                stream, to: second, mode: .encrypt(wrong), threads: settings.threads, signals: false)
            var bits = 0
            var differing = 0
            for (name, found) in try NonceReuse.values(second, profile: .paper) {
                guard let mine = values[name] else { continue }
                for i in 0..<min(mine.values.count, found.values.count) {
                    bits += Int(mine.counts[i])
                    differing += (mine.values[i] ^ found.values[i]).nonzeroBitCount
                }
            }
            let holder = Decryption(keys: ring(other))
            let refused = ids.compactMap { right.message(layer: $0, period: 0) }.allSatisfy { message in
                (try? holder.add(message)) == nil
            }
            let forced = Decryption(keys: ring(other))
            try forced.add(wrong.sidecar)
            try StreamWork.transcode(first, to: second, mode: .decrypt(forced), threads: settings.threads)
            return AttackReport.KeyBit(
                cipher: cipher.name, bit: bit, changed: Double(differing) / Double(max(bits, 1)), refused: refused,
                psnrY: try view(second).quality.psnrY)
        }
    }

    // MARK: Nonces

    private func reuse(
        _ stream: String, _ known: String, _ ids: [Int], _ cipher: CipherKind, _ pictures: inout Pictures
    ) throws -> AttackReport.Reuse {
        let keys = KeyRing.generate(layers: (ids.last ?? 0) + 1, cipher: cipher, profile: .paper)
        let nonce = SecretBytes.random(16).bytes
        let names = ["known", "secret", "recovered"].map { path("attack\(getpid()).\($0).hevc") }
        defer { for name in names { unlink(name) } }
        for (from, to) in [(known, names[0]), (stream, names[1])] {
            let encryption = try StreamWork.encryption(
                scheme: .all, cipher: cipher, profile: .paper, layers: ids, keys: keys, nonce: nonce)
            try StreamWork.transcode(from, to: to, mode: .encrypt(encryption), threads: settings.threads)
        }
        let feedback = cipher == .chaotic
        let outcome = try NonceReuse.attack(
            knownClear: known, knownEncrypted: names[0], secret: names[1], clear: stream, output: names[2],
            profile: .paper, feedback: feedback)
        var knownFrames = 0
        try StreamWork.decode(known, output: .highest, threads: settings.threads) { _, _ in knownFrames += 1 }
        let before = try view(names[1], limit: knownFrames)
        let after = try view(names[2], limit: knownFrames)
        if let frame = before.frame { pictures.reuse.append(("\(cipher.name): as it stands", frame)) }
        if let frame = after.frame {
            pictures.reuse.append(("\(cipher.name): with keystream of the known stream", frame))
        }
        return AttackReport.Reuse(
            cipher: cipher.name, frames: knownFrames, bits: outcome.bits,
            reached: Double(outcome.reached) / Double(max(outcome.bits, 1)),
            right: Double(outcome.right) / Double(max(outcome.bits, 1)), psnrBefore: before.quality.psnrY,
            psnrAfter: after.quality.psnrY,
            ssimAfter: after.quality.ssim)
    }
}
