// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

/// Holds the units of an encrypted stream back until all pictures of their access unit were found to be what the
/// encryptor wrote, then hands them on: one picture's delay. What was changed, repeated, moved or put in throws
/// ``KeyError/tampered(layer:offset:reason:)``; what is missing is reported.
package final class VerifiedStream {
    let decryption: Decryption
    let options: VerificationOptions
    private let deliver: (NALUnit) throws -> Void
    /// Told of each message of an access unit before anything of it is handed on.
    package var foresee: ((ProtectionMessage) -> Void)?
    private var grouping = AccessUnitGrouping()
    private var heldBytes = 0
    var follower = PictureFollower()
    private var layers: [Int: Layer] = [:]
    var progress: [RunLayer: Progress] = [:]
    /// Layers of runs whose message came and whose key is not there.
    var locked: Set<RunLayer> = []
    var currentNonce: [UInt8]?
    /// Index of the next picture by layer, over the runs of one encryption.
    var reached: [Int: Int] = [:]
    /// Of the run at hand: how parameter sets had taken each other's places at its last picture.
    var history: ParameterSetHistory.Counts?
    /// Sealed units that tags covered.
    private var verifiedSeals = 0
    /// Layers of which something came that no tag was to follow.
    private var untagged: [Int: Int] = [:]
    /// Some run so far was authenticated, the last message of it.
    var authenticated: ProtectionMessage?
    /// The last message whose key was right: it says which layers are protected.
    private var statement: ProtectionMessage?
    /// Slices of the access unit that no message covers: layer and offset of the first.
    private var uncovered: [Int: Int] = [:]
    /// The first slice of an access unit that came before any message.
    private var unclaimed: (layer: Int, offset: Int)?
    /// Layers with hidden pictures in the access unit that nobody could open.
    private var hiddenLayers: Set<Int> = []
    /// The last slice's header in the access unit, by layer.
    private var slices: [Int: NALUnitHeader] = [:]
    /// A VCL NAL unit came.
    private var hasPictures = false
    /// Runs of encryptions that another stream came after.
    private var left: Set<[UInt8]> = []
    /// Of a run that goes on behind another stream: layers that have begun again, and whether a picture came that
    /// follows their IRAP picture.
    private var rejoining: [Int: Bool]?
    /// Behind a joint: layers that have begun again.
    private var begunAfterJoint: Set<Int>?
    private var hasBegun = false
    package internal(set) var report = VerificationReport() { didSet { decryption.report = report } }

    /// More than any access unit needs.
    private static let largestAccessUnit = 512 << 20

    package init(_ decryption: Decryption, deliver: @escaping (NALUnit) throws -> Void) {
        self.decryption = decryption
        options = decryption.verification
        self.deliver = deliver
        report.allowsJoined = options.allowsJoined
    }

    package func push(_ nal: NALUnit) throws {
        heldBytes += nal.bytes.count
        if heldBytes > Self.largestAccessUnit {
            throw KeyError.tampered(
                layer: nal.header.nuhLayerId, offset: nal.offset, reason: "the access unit is too long to be checked")
        }
        if let unit = grouping.push(nal) {
            heldBytes = nal.bytes.count
            try hand(on: unit)
        }
    }

    /// Ends the stream.
    /// - Parameter isCut: it was stopped in the middle of an access unit, which is given up if it has tags.
    package func finish(isCut: Bool = false) throws {
        if let unit = grouping.finish() {
            if isCut && authenticated != nil {
                try lose("the last access unit was cut off")
            } else {
                try hand(on: unit)
            }
        }
        if options.requiresTags && report.verifiedPictures == 0 && verifiedSeals == 0 {
            throw KeyError.incomplete("no picture is authenticated")
        }
        for (run, state) in progress.sorted(by: { $0.key.layer < $1.key.layer }) where !state.hasEnded {
            if state.version > 1 {
                try lose("layer \(run.layer): the end is missing; what follows picture \(state.next) was cut off")
            }
        }
        for (run, state) in progress where state.hasEnded && currentNonce == run.nonce {
            if follower.sealed[run.layer]?.isEmpty == false {
                throw KeyError.tampered(layer: run.layer, offset: 0, reason: "has a sealed unit after its end")
            }
        }
        try loseRuns()
        try loseLayers()
    }

    /// The layer under whose key the pictures of a layer have tags: itself, or one above.
    func tagging(_ layer: Int) -> Layer? {
        guard decryption.wants(layer: layer) else { return nil }
        if let own = layers[layer] { return own.isChecked ? own : nil }
        return layers.filter { $0.value.isChecked && $0.value.message.tags(lower: layer) }
            .min { $0.key < $1.key }?.value
    }

    // MARK: Access units

    private func hand(on unit: [NALUnit]) throws {
        if !hasBegun {
            hasBegun = true
            for message in decryption.givenMessages { try accept(message, offset: 0) }
        }
        try takeBeforehand(unit)
        uncovered = [:]
        hiddenLayers = []
        slices = [:]
        follower.hashesSlices = authenticated != nil || unit.contains(where: Self.announcesTags)
        for nal in unit {
            if nal.isMalformed { try check(malformed: nal) } else { try check(nal) }
        }
        try endPicture()
        try checkClear()
        if let foresee {
            for nal in unit where nal.header.nalUnitType == .prefixSEI && !nal.isMalformed {
                if let message = try ProtectionSEI.message(in: nal) { foresee(message) }
            }
        }
        for nal in unit { try deliver(nal) }
    }

    /// Where a stream is entered, the message whose key the tags of layers below are under stands behind these.
    private func takeBeforehand(_ unit: [NALUnit]) throws {
        guard currentNonce == nil else { return }
        for nal in unit where nal.header.nalUnitType == .prefixSEI && !nal.isMalformed {
            guard let message = try ProtectionSEI.message(in: nal) else { continue }
            if message.tagsLowerLayers {
                try accept(message, offset: nal.offset)
                try decryption.add(message)
            }
            return
        }
    }

    private static func announcesTags(_ nal: NALUnit) -> Bool {
        guard nal.header.nalUnitType == .prefixSEI, !nal.isMalformed else { return false }
        return (try? ProtectionSEI.message(in: nal))?.isAuthenticated ?? false
    }

    /// Some decoders read units whose header cannot be, or of one byte and none two bytes long, with what follows: an
    /// encryptor seals them.
    private func check(malformed nal: NALUnit) throws {
        guard nal.isForbidden, !options.allowsClear else { return }
        let layer = nal.header.nuhLayerId
        if options.requiresTags || authenticated.map({ $0.version > 1 }) ?? false {
            throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "has what is no NAL unit")
        }
        if statement == nil && unclaimed == nil { unclaimed = (layer, nal.offset) }
    }

    /// Layers that an authenticated run did not know cannot have come from it.
    private func checkKnown(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        guard !options.allowsClear, isForeign(layer) else { return }
        throw KeyError.tampered(
            layer: layer, offset: nal.offset, reason: "was put in: the encryption knew no such layer")
    }

    private func isForeign(_ layer: Int) -> Bool {
        statement.map { $0.isAuthenticated && $0.isForeign(layer: layer) } ?? false
    }

    /// No tag tells of ends of sequences in layers that there are not, at which some decoders leave pictures out.
    private func checkEnd(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        // In front of all pictures none is left out.
        guard hasPictures, isForeign(layer) else { return }
        try lose("layer \(layer): an end of sequence was put in, of a layer that the encryption did not know")
    }

    /// Sealed units come in the order in which they were sealed, each once.
    private func checkSealed(_ nal: NALUnit) throws {
        guard let layer = SealedUnit.keyLayer(nal), let known = layers[layer], known.isChecked,
            let counter = SealedUnit.counter(nal)
        else { return }
        let run = RunLayer(nonce: known.message.nonce, layer: layer)
        if let last = progress[run]?.lastSealed, counter <= last {
            throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "a sealed unit was repeated or moved")
        }
        let own = nal.header.nuhLayerId
        try checkJoint(own, offset: nal.offset, beginsAnew: follower.followsEnd(layer: own))
        progress[run]?.lastSealed = counter
    }

    /// The first picture of a layer behind a joint tells decoders that it begins anew: otherwise they go on counting
    /// from the stream before, and predict from its pictures.
    private func checkJoint(_ layer: Int, offset: Int, beginsAnew: Bool) throws {
        guard begunAfterJoint?.insert(layer).inserted == true, !beginsAnew else { return }
        throw KeyError.tampered(
            layer: layer, offset: offset,
            reason: "begins behind another stream without an end of sequence between them (join puts one)")
    }

    private func check(_ nal: NALUnit) throws {
        if SealedUnit.isOne(nal) {
            try checkSealed(nal)
            hasPictures = true
        }
        if SealedUnit.isOne(nal, kind: .hidden) {
            hiddenLayers.insert(nal.header.nuhLayerId)
        } else if nal.header.nalUnitType.isSlice {
            slices[nal.header.nuhLayerId] = nal.header
        }
        if follower.ends(before: nal) { try endPicture() }
        let layer = nal.header.nuhLayerId
        switch nal.header.nalUnitType {
        case .prefixSEI:
            if let message = try ProtectionSEI.message(in: nal) { try accept(message, offset: nal.offset) }
        case .suffixSEI:
            if let tag = try ProtectionSEI.authentication(in: nal) { try check(tag, offset: nal.offset) }
        default: break
        }
        do { try follower.observe(nal) } catch let error as SyntaxError {
            // Damaged parameter sets fail where they are used.
            if nal.header.nalUnitType.isVCL, tagging(layer) != nil {
                throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "cannot be checked: \(error)")
            }
        }
        if [.endOfSequence, .endOfBitstream].contains(nal.header.nalUnitType) { try checkEnd(nal) }
        guard nal.header.nalUnitType.isVCL else { return }
        hasPictures = true
        try checkKnown(nal)
        if tagging(layer) != nil {
            if !(nal.header.nalUnitType.isSlice && follower.open?.layer == layer) {
                throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "belongs to no picture with a tag")
            }
            return
        }
        if options.requiresTags, decryption.holdsKey(layer: layer), decryption.wants(layer: layer) {
            throw KeyError.tampered(layer: layer, offset: nal.offset, reason: "is not authenticated")
        }
        if layers[layer] != nil { return }
        if untagged[layer] == nil, decryption.wants(layer: layer) { untagged[layer] = nal.offset }
        if uncovered[layer] == nil, !(statement?.leavesClear(layer: layer) ?? false) {
            uncovered[layer] = nal.offset
        }
    }

    /// The slices of a picture are over, and no tag came.
    private func endPicture() throws {
        guard let open = follower.open else { return }
        follower.close()
        if tagging(open.layer) != nil {
            throw KeyError.tampered(layer: open.layer, offset: open.offset, reason: "has no authentication tag")
        }
    }

    /// Slices in the clear of layers whose keys are held, or that an authenticated run protects, are a forgery, unless
    /// the encryptor says that it left the layer alone.
    private func checkClear() throws {
        if options.allowsClear { return }
        for (layer, offset) in uncovered.sorted(by: { $0.key < $1.key }) where decryption.wants(layer: layer) {
            if let statement, statement.leavesClear(layer: layer) { continue }
            if decryption.holdsKey(layer: layer) {
                throw KeyError.tampered(
                    layer: layer, offset: offset,
                    reason: "is in the clear, though there is a key for the layer and nothing says that it is not "
                        + "protected")
            }
            if let statement, statement.isAuthenticated, statement.version > 1 {
                throw KeyError.tampered(
                    layer: layer, offset: offset,
                    reason: "is in the clear, though the encryption protects the layer under a key that is not here")
            }
        }
        guard statement == nil, unclaimed == nil,
            let first = uncovered.filter({ decryption.wants(layer: $0.key) }).min(by: { $0.value < $1.value })
        else { return }
        if options.requiresTags { throw inFront(first.key, first.value) }
        unclaimed = (first.key, first.value)
    }

    /// Of a layer without a key, in front of all messages: from its first picture on the encryptor would have said
    /// what the layer is.
    private func inFront(_ layer: Int, _ offset: Int) -> KeyError {
        .tampered(layer: layer, offset: offset, reason: "was put in front: it comes before all messages")
    }

    // MARK: Messages

    private func accept(_ message: ProtectionMessage, offset: Int) throws {
        let keys = try decryption.unlock(message)
        let previous = layers[message.layer]
        // What nobody can check does not take the place of what was.
        if keys == nil, previous?.isChecked == true {
            throw KeyError.tampered(
                layer: message.layer, offset: offset, reason: "goes on under another key than it had before")
        }
        if options.requiresTags && !message.isAuthenticated && keys != nil {
            throw KeyError.tampered(layer: message.layer, offset: offset, reason: "is not authenticated")
        }
        layers[message.layer] = Layer(message: message, keys: keys)
        if keys == nil { locked.insert(RunLayer(nonce: message.nonce, layer: message.layer)) }
        follower.observe(message)
        guard keys != nil else { return }
        if let unclaimed, statement == nil, message.isAuthenticated, !options.allowsClear {
            throw inFront(unclaimed.layer, unclaimed.offset)
        }
        statement = message
        for (id, known) in layers where known.message.nonce != message.nonce && message.leavesClear(layer: id) {
            layers[id] = nil
        }
        if message.version == 1, report.warnings.isEmpty {
            report.warnings.append(
                message.isAuthenticated
                    ? "format version 1: pictures cut out within a period, a cut end, and an exchanged layer below "
                        + "go unnoticed"
                    : "format version 1: messages can be moved and repeated unnoticed")
        }
        if currentNonce != message.nonce {
            if currentNonce != nil, authenticated != nil || message.isAuthenticated {
                if !message.isAuthenticated {
                    throw KeyError.tampered(
                        layer: message.layer, offset: offset, reason: "goes on without tags, which it had before")
                }
                // What goes on behind another stream begins with pictures that need none before them.
                if left.contains(message.nonce) { rejoining = [:] } else { rejoining = nil }
                // All ends of a run come before the next one's messages.
                try loseLayers()
                if try !continues(message) {
                    try loseRuns()
                    if let currentNonce { left.insert(currentNonce) }
                    reached = [:]
                    begunAfterJoint = []
                    follower.beginAnew()
                    report.joins += 1
                    if options.isStrict && !options.allowsJoined {
                        throw KeyError.tampered(
                            layer: message.layer, offset: offset, reason: "another stream was joined here")
                    }
                }
            }
            currentNonce = message.nonce
            history = nil
        } else if previous?.isChecked == true && !message.isAuthenticated {
            throw KeyError.tampered(
                layer: message.layer, offset: offset, reason: "goes on without tags, which it had before")
        }
        if message.isAuthenticated {
            authenticated = message
            if decryption.wants(layer: message.layer) { begin(message.layer, of: message) }
            for (layer, offset) in untagged.sorted(by: { $0.key < $1.key })
            where message.tags(lower: layer) && !options.allowsClear {
                throw KeyError.tampered(layer: layer, offset: offset, reason: "came before the encryption began")
            }
        }
    }

    /// The run of a message goes on in a layer, where the one before it stopped.
    private func begin(_ layer: Int, of message: ProtectionMessage) {
        let run = RunLayer(nonce: message.nonce, layer: layer)
        if progress[run] != nil { return }
        var state = Progress(version: message.version)
        if message.version > 1, let next = reached[layer] {
            state.next = next
            state.hasPicture = next > 0
        }
        progress[run] = state
    }

    /// Whether a message begins the next run of the encryption at hand. Runs left out are reported; those that came
    /// before have ended, so that their tags are refused.
    private func continues(_ message: ProtectionMessage) throws -> Bool {
        guard var nonce = currentNonce, message.version > 1 else { return false }
        // More than anybody leaves out and goes on.
        for missing in 0..<64 {
            nonce = ProtectionPlan.nonce(after: nonce)
            guard nonce == message.nonce else { continue }
            if missing > 0 { try lose("\(missing) run\(missing == 1 ? " is" : "s are") missing") }
            return true
        }
        return false
    }

    // MARK: Tags

    /// Whether a tag is genuine with the sealed units that came before it, which it then covers.
    private func fits(_ tag: AuthenticationMessage, _ isGenuine: ([[UInt8]]) -> Bool) -> Bool {
        let units = follower.takeSealed(for: tag)
        guard PictureFollower.candidates(units).contains(where: isGenuine) else { return false }
        verifiedSeals += units.count
        return true
    }

    private func check(_ tag: AuthenticationMessage, offset: Int) throws {
        guard let known = layers[tag.layer], known.isChecked, let keys = known.keys else { return }
        guard tag.version == known.message.version else {
            throw KeyError.tampered(layer: tag.layer, offset: offset, reason: "has a tag of another version")
        }
        let layer = tag.pictureLayer
        if !decryption.wants(layer: layer) { return }
        guard tag.lowerLayer == nil || known.message.tags(lower: layer) else {
            throw KeyError.tampered(
                layer: layer, offset: offset, reason: "has a tag under the key of layer \(tag.layer)")
        }
        begin(layer, of: known.message)
        let run = RunLayer(nonce: known.message.nonce, layer: layer)
        var state = progress[run] ?? Progress(version: tag.version)
        defer {
            progress[run] = state
            reached[layer] = state.next
        }
        if tag.kind != .picture {
            guard fits(tag, { tag.isGenuine(sealed: $0, key: keys.authentication) }) else {
                throw KeyError.tampered(layer: layer, offset: offset, reason: "has an end that was made up")
            }
            guard !state.hasEnded, tag.index >= state.next else {
                throw KeyError.tampered(layer: layer, offset: offset, reason: "ends before its last picture")
            }
            try miss(Int(tag.index) - state.next, layer: layer, before: offset, of: known.message)
            state.next = Int(tag.index)
            state.hasEnded = true
            state.goesOn = tag.kind == .runEnd
            return
        }
        // Of a picture that is lost the tag says nothing that could be checked; the next one's index tells.
        guard let open = follower.open, open.layer == layer else { return }
        follower.close()
        func refuse(_ reason: String) -> KeyError {
            KeyError.tampered(layer: open.layer, offset: open.offset, reason: reason)
        }
        if tag.version > 1, tag.sliceCount != open.slices.count {
            throw refuse("has \(open.slices.count) slices of \(tag.sliceCount)")
        }
        guard fits(tag, { tag.isGenuine(open, sealed: $0, key: keys.authentication) }) else {
            throw refuse("was changed since it was encrypted")
        }
        // A base layer's tag leaves the VPS out, from which decoders know which layer is the highest.
        if let foreign = follower.layers.first(where: { known.message.isForeign(layer: $0) }) {
            throw refuse("has a VPS that names layer \(foreign), which the encryption did not know")
        }
        if tag.version == 1 {
            try takeFirstVersion(open, &state, refuse)
        } else {
            try checkHistory(open, refuse)
            if tag.lowerDigest != open.lowerDigest {
                // Of a layer that stays hidden a stand-in is there, and not the picture the digest is of.
                // And only where the encryption hid it.
                let isHidden = tag.lowerIsHidden && hiddenLayers.contains { $0 < open.layer }
                if open.hasLower && !isHidden {
                    throw refuse("stands upon another picture of the layer below than it was made for")
                }
                if !isHidden { try loseLower(open, of: known.message) }
            }
            guard !state.hasEnded, tag.index >= state.next else { throw refuse("was repeated or moved") }
            try miss(Int(tag.index) - state.next, layer: open.layer, before: open.offset, of: known.message)
            if state.hasPicture && tag.followsEnd != open.followsEnd {
                // Leading pictures would be predicted from others than they were made for.
                if tag.followsEnd { throw refuse("followed an end of sequence, which was taken out") }
                try lose("layer \(layer): an end of sequence was put in: decoders leave pictures out there")
            }
            state.hasPicture = true
            state.next = Int(tag.index) + 1
        }
        let type = slices[layer]?.nalUnitType
        try checkJoint(
            layer, offset: open.offset, beginsAnew: open.followsEnd || type?.isIDR == true || type?.isBLA == true)
        if let begun = rejoining {
            let begins = open.isIRAP || begun[layer] != nil
            let isRASL = type?.isRASL ?? false
            let isRADL = type?.isRADL ?? false
            guard begins, !isRASL || begun[layer] == true else {
                throw refuse("goes on behind another stream, which was put into its middle")
            }
            rejoining?[layer] = begun[layer] ?? false || !open.isIRAP && !isRASL && !isRADL
        }
        report.verifiedPictures += 1
    }
}
