// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

extension VerifiedStream {
    // MARK: What tags do not cover one by one

    /// Sets that are exchanged within a run were put in, or pictures between them are lost.
    func checkHistory(_ open: PictureFollower.Picture, _ refuse: (String) -> KeyError) throws {
        defer { history = open.history }
        guard let history else { return }
        if history.replacedVPS != open.history.replacedVPS {
            throw refuse("follows a VPS that was put in the place of the encrypted stream's")
        }
        if history.unused != open.history.unused {
            try lose("layer \(open.layer): parameter sets were replaced that no picture used: decoders may drop others")
        }
    }

    /// Version 1 numbers periods only.
    func takeFirstVersion(
        _ open: PictureFollower.Picture, _ state: inout Progress, _ refuse: (String) -> KeyError
    ) throws {
        if open.position.period + 1 != state.next {
            guard open.isIRAP, open.position.period >= state.next else { throw refuse("was repeated or moved") }
            let missing = open.position.period - state.next
            if missing > 0 {
                try lose("layer \(open.layer): \(missing) period\(missing == 1 ? " is" : "s are") missing")
            }
            state.next = open.position.period + 1
            state.counts = IntervalSet()
        }
        guard state.counts.insert(open.position.pocDelta) else { throw refuse("was repeated") }
    }

    // MARK: Losses

    /// A picture stands alone that was made for one of a layer below.
    func loseLower(_ open: PictureFollower.Picture, of message: ProtectionMessage) throws {
        let below = max(open.layer - 1, 0)
        // Where the lower layer has tags, their indices tell what is missing; but what came may be somewhere else.
        if tagging(below) == nil { return try miss(1, layer: below, before: open.offset, of: message) }
        try lose("layer \(open.layer): a picture stands without the one of layer \(below) that it was made for")
    }

    /// `offset`: of the picture, or of the end, that came in place of those missing.
    func miss(_ count: Int, layer: Int, before offset: Int, of message: ProtectionMessage) throws {
        if count == 0 { return }
        if message.resynchronization == .stream && layer == message.layer {
            throw KeyError.incomplete(
                "layer \(layer): pictures are missing, and its keystream never restarts: nothing behind them can be "
                    + "decrypted")
        }
        report.missingPictures[layer, default: 0] += count
        if options.isStrict {
            throw KeyError.incomplete(
                "layer \(layer): \(count) picture\(count == 1 ? " is" : "s are") missing before byte \(offset)")
        }
    }

    func lose(_ line: String) throws {
        if report.losses.count < 20 { report.losses.append(line) }
        if options.isStrict { throw KeyError.incomplete(line) }
    }

    /// Each layer of a run has an end at least; of one that is missing nothing came, or nothing behind the run before.
    func loseLayers() throws {
        guard let message = authenticated, message.version > 1 else { return }
        for layer in 0..<63 where decryption.wants(layer: layer) {
            // Of those below that are clear the base layer is always there, others where the VPS names them.
            let isLower = message.tags(lower: layer) && (layer == 0 || follower.layers.contains(layer))
            if message.leavesClear(layer: layer) && !isLower { continue }
            if progress.keys.contains(where: { $0.nonce == message.nonce && $0.layer == layer }) { continue }
            // Of a layer that stays locked nothing is checked.
            if locked.contains(RunLayer(nonce: message.nonce, layer: layer)) { continue }
            let what =
                reached[layer, default: 0] > 0 ? "what follows picture \(reached[layer, default: 0])" : "all of it"
            try lose("layer \(layer): \(what) is missing")
        }
    }

    /// The last run's end said that another one follows, and none came.
    func loseRuns() throws {
        if progress.contains(where: { $0.key.nonce == currentNonce && $0.value.goesOn }) {
            let runs = progress.keys.reduce(into: Set()) { $0.insert($1.nonce) }.count
            // What has none of these keys' layers cannot be told from nothing.
            let what = locked.isEmpty ? "was cut off" : "was cut off, or is all of layers without keys here"
            try lose("what followed run \(runs) \(what)")
        }
    }
}
