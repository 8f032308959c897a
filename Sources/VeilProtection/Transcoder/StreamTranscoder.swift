// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilSystem

/// Encrypts or decrypts a coded stream in the domain of bins: slice data is parsed, encryptable bins are replaced,
/// and the arithmetic code is written again. Everything else passes through, byte for byte.
///
/// Encryption fails closed. No VCL NAL unit of a layer to be encrypted leaves as it came unless it has no bin that
/// can be encrypted: what cannot be recoded so that decryption restores it is treated as ``DamagePolicy`` says. And
/// decryption gives back whatever encryption accepted, byte for byte: both follow the same headers in the same order,
/// those of sealed units included.
///
/// NAL units come out in the order they went in. The slices, tiles and WPP rows of large pictures are recoded on
/// several threads, small pictures side by side; at most `threads` of them are held.
package final class StreamTranscoder {
    package enum Mode {
        case encrypt(Encryption)
        /// Encrypts as the stream's parameter sets ask.
        case plan(ProtectionPlan)
        case decrypt(Decryption)
        /// Decrypts with old keys and encrypts with new ones, in one pass.
        case rekey(Rekeying)
        case rekeyPlan(Decryption, ProtectionPlan)
        /// Recodes with other hooks: a watermark, statistics.
        case hooks(any BinHookProvider)
    }

    /// Where the headers have led.
    struct Following {
        var positions = StreamPosition()
        /// What the encryption calls the pictures.
        var numbering = PeriodNumbering()
        var previousHeader: SliceSegmentHeader?
        /// By layer: the PPS of its last picture.
        var activePPS: [Int: Int] = [:]
        /// What its picture's parameter sets were counted as.
        var generation = 0
        /// The picture being put together; nil where nothing in it is recoded.
        var current: (layer: Int, picture: PictureRecoding?)?
        /// No more slices can be added to it.
        var isClosed = false
        /// It began with a segment that does not tell which picture it is of.
        var isUnknown = false
    }

    enum Slot {
        case ready(NALUnit)
        case segment(PictureRecoding, Int)
        /// A picture of an encrypted layer begins, before which a message is to be sent.
        case picture(layer: Int, message: NALUnit)
        case damaged(NALUnit, reason: String, isSealed: Bool)
    }

    package internal(set) var report = TranscodeReport()
    let threads: Int
    let signals: Bool
    let damaged: DamagePolicy
    package let plan: ProtectionPlan?
    package let decryption: Decryption?
    /// The encryption in force.
    private(set) var encryption: Encryption?
    private(set) var hooks: (any BinHookProvider)?
    /// Whether units leave encrypted that came clear, or under other keys.
    let encrypts: Bool
    /// Whether hooks are the caller's own, of which nothing is known.
    let hasOwnHooks: Bool
    private let output: (NALUnit) throws -> Void
    private let hiding: PictureHiding?
    private var opening: PictureOpening?
    private var authenticator: StreamAuthenticator?
    private var verified: VerifiedStream?
    let sets = ParameterSetCollection()
    var grids: [Int: (generation: Int, grid: CTBGrid)] = [:]
    var layouts: [CTBGrid.Layout: CTBGrid] = [:]
    let workspaces = ObjectPool { SyntaxWorkspace() }
    /// Made with the first pictures that are recoded in parallel.
    var pool: WorkerPool?
    var queue: [Slot] = []
    var pictures: [PictureRecoding] = []
    var following = Following()
    /// Before the picture held, where one may have to be looked at again.
    var checkpoint: Following?
    /// Layers whose new keys are for a weaker cipher.
    var weakened: Set<Int> = []
    /// And of which fewer pictures are hidden.
    var shown: Set<Int> = []
    /// Layers of the run in force whose message was delivered.
    var announced: Set<Int> = []

    /// Other parameter sets came since exchanges of them were counted.
    private var hasNewSets = false
    private var setsInForce = ParameterSetUnits()
    /// Layers of the runs before that were encrypted.
    private var protectedBefore: Set<Int> = []
    /// Nonces of the runs that were decrypted.
    private var oldRuns: Set<[UInt8]> = []

    deinit { pool?.stop() }

    /// - Parameters:
    ///   - signals: encrypting, put the encryption messages into the stream.
    ///   - damaged: encrypting, what to do with what cannot be encrypted.
    ///   - verifies: decrypting, the stream was not verified before, nor hidden pictures opened.
    ///   - hides: encrypting, hide pictures as the encryption says, unless that is done later.
    package init(
        mode: Mode, threads: Int, signals: Bool = true, damaged: DamagePolicy = .error, verifies: Bool = true,
        hides: Bool = true, deliver: @escaping (NALUnit) throws -> Void
    ) {
        self.threads = max(threads, 1)
        self.signals = signals
        self.damaged = damaged
        encrypts = mode.encrypts
        let hiding = hides && mode.encrypts ? PictureHiding(deliver: deliver) : nil
        self.hiding = hiding
        if let hiding { output = { try hiding.push($0) } } else { output = deliver }
        plan = mode.plan
        decryption = mode.decryption
        switch mode {
        case .hooks(let provider):
            hasOwnHooks = true
            hooks = provider
        case .decrypt(let decryption):
            hasOwnHooks = false
            hooks = decryption
        case .encrypt(let encryption):
            hasOwnHooks = false
            use(encryption)
        case .rekey(let rekeying):
            hasOwnHooks = false
            use(rekeying.encryption)
        case .plan, .rekeyPlan: hasOwnHooks = false
        }
        if verifies {
            verified = decryption.map { VerifiedStream($0) { [unowned self] in try self.process($0, isSealed: false) } }
            if let plan { verified?.foresee = { plan.foresee($0) } }
            opening = decryption.map { PictureOpening($0) { [unowned self] in try self.takeOpened($0) } }
        }
    }

    private func use(_ new: Encryption) {
        encryption = new
        hiding?.encryption = new
        announced = []
        following.numbering = PeriodNumbering(isSilent: !signals)
        hooks = decryption.map { Rekeying(from: $0, to: new) } ?? new
        // Exchanging keys, a later run of the stream may be the first with tags: it follows from the beginning.
        if authenticator == nil && signals && (new.options.authenticates || decryption != nil && plan != nil) {
            authenticator = StreamAuthenticator(new, deliver: output)
        }
    }

    /// Lets the plan follow the stream; what comes next may begin a new run.
    /// - Parameter layers: nuh_layer_ids of the VPS in force, where it is known.
    func follow(layers: [Int]?) throws {
        guard let plan else { return }
        if layers != nil { try countExchanges() }
        plan.layout.activePPS = following.activePPS
        guard let new = try plan.next(layers: layers) else { return }
        let isFirst = encryption == nil
        let before = encryption
        if !isFirst {
            if !signals {
                throw ProtectionError.unsupported(
                    reason: "the layers of the stream change, which takes messages in the stream to tell")
            }
            try drain()
            following.current = nil
            try authenticator?.begin(new)
        }
        use(new)
        try rejectDamagePolicy()
        // From there on the verifier counts.
        hasNewSets = true
        try countExchanges(isBefore: true)
        if isFirst { return }
        try announceClear(new, after: before)
        // Before anything of the run: what layers it covers.
        for layer in new.encryptedLayers {
            if let message = new.message(layer: layer, period: 0) {
                try put(.picture(layer: layer, message: ProtectionSEI.unit(message)))
            }
        }
    }

    /// Whoever checks the tags counts exchanges of parameter sets by what leaves, sealed units included: all of it must
    /// have left before they can be counted.
    private func countExchanges(isBefore: Bool = false) throws {
        guard hasNewSets, let authenticator, let plan, encryption?.options.authenticates == true else { return }
        hasNewSets = false
        try drain()
        plan.note(authenticator.exchanges, isBefore: isBefore)
    }

    /// Layers that were encrypted and are not any more: of a part of the stream that ends with them the messages of the
    /// layers above are not.
    private func announceClear(_ new: Encryption, after before: Encryption?) throws {
        let encrypted = new.encryptedLayers
        guard let lowest = encrypted.first, let message = new.message(layer: lowest, period: 0) else { return }
        if let before { protectedBefore.formUnion(before.encryptedLayers) }
        for layer in protectedBefore.subtracting(encrypted).sorted() where layer < lowest {
            try put(.picture(layer: lowest, message: ProtectionSEI.unit(message, carriedBy: layer)))
        }
    }

    /// A single chain goes through all slices: only where none is left out does it stay whole. And nobody vouches for
    /// what is let through.
    private func rejectDamagePolicy() throws {
        if encryption?.options.authenticates == true && !signals && plan != nil {
            throw ProtectionError.unsupported(
                reason: "tags, of the stream as it was or asked for, take messages in the stream (--signal sei)")
        }
        if encryption?.options.authenticates == true && damaged == .pass {
            throw ProtectionError.unsupported(reason: "--damaged pass does not go with --authenticate")
        }
        if encryption?.options.resynchronization == .stream && damaged != .error {
            throw ProtectionError.unsupported(
                reason: "a single chain over the stream (--resync stream) goes with --damaged error only")
        }
    }

    /// Hands a unit on.
    func deliver(_ nal: NALUnit) throws {
        if let authenticator { try authenticator.push(nal) } else { try output(nal) }
    }

    /// Pictures that were sealed whole, and how many bytes that added.
    package var hidden: (pictures: Int, bytes: Int) { (hiding?.count ?? 0, hiding?.bytes ?? 0) }

    /// Takes the next NAL unit. Throws what `deliver` throws, a missing or wrong key, and ``ProtectionError``.
    package func push(_ nal: NALUnit) throws {
        if let opening { try opening.push(nal) } else { try takeOpened(nal) }
    }

    private func takeOpened(_ nal: NALUnit) throws {
        if let verified { try verified.push(nal) } else { try process(nal, isSealed: false) }
    }

    /// Ends the stream.
    /// - Parameter isCut: in the middle of an access unit.
    package func finish(isCut: Bool = false) throws {
        try opening?.finish(isCut: isCut)
        try verified?.finish(isCut: isCut)
        try drain()
        try authenticator?.finish()
        tellLocked()
    }

    /// Of layers that stay encrypted, while one below is not any more: their tags are about what was below.
    private func tellLocked() {
        guard let decryption, !encrypts else { return }
        for layer in decryption.lockedLayers where decryption.message(layer: layer)?.isAuthenticated == true {
            if decryption.signalledLayers.contains(where: { $0 < layer && decryption.opens(layer: $0) }) {
                report.note(
                    "layer \(layer): its tags are of the stream as it was: decrypt it from that, with all keys at once"
                        + ", not from what is given out here")
            }
        }
    }

    /// Throws if nothing at all was encrypted in a stream that has ended, or nothing that was asked for.
    package func checkSelection() throws {
        guard let plan else { return }
        // Hooks count when they are let go.
        following.current = nil
        checkpoint = nil
        guard let first = plan.runs.first else { throw ProtectionError.nothing(reason: "there are no pictures") }
        if !hasDelivered {
            let layers = first.encryptedLayers.map(String.init).joined(separator: ", ")
            throw ProtectionError.nothing(
                reason: plan.options.selection.isEverything
                    ? "there is no picture of layer \(layers)" : "no picture of layer \(layers) is among those selected"
            )
        }
        // Bits of slices that were left out count among the encrypted ones.
        let isNothing = plan.encryptedBits == 0 || (report.droppedSlices > 0 && !hasChanged)
        if plan.options.selects && report.sealedSlices == 0 && isNothing {
            try ProtectionError.checkHidden(plan.options.hiding)
        }
    }

    /// Something of a layer to be encrypted was delivered.
    var hasDelivered = false
    /// A slice was delivered that encryption changed.
    var hasChanged = false

    private func process(_ nal: NALUnit, isSealed: Bool) throws {
        if nal.isMalformed {
            try takeMalformed(nal, isSealed: isSealed)
            return
        }
        let type = nal.header.nalUnitType
        if type.isVCL {
            try takeVCL(nal, isSealed: isSealed)
            return
        }
        if !isSealed, try takeOwn(nal) { return }
        do {
            switch type {
            case .vps, .sps, .pps:
                // A picture that is followed once more, without slices that are left out, is of the sets it came with.
                if leavesOut && !pictures.isEmpty { try drain() }
                plan?.layout.observe(nal)
                if plan != nil && !setsInForce.insert(nal) { hasNewSets = true }
                try sets.insertOrRemove(nal)
            case .accessUnitDelimiter: following.positions.boundary()
            case .endOfSequence, .endOfBitstream: following.positions.endOfSequence(layer: nal.header.nuhLayerId)
            default: break
            }
        } catch let error as SyntaxError {
            report.note("\(type) at byte \(nal.offset), layer \(nal.header.nuhLayerId): \(error)")
        }
        try put(isSealed || isForeignEnd(nal) ? .damaged(nal, reason: "", isSealed: true) : .ready(nal))
    }

    /// Whether an end of sequence is of a layer that the encryption does not know: such as are put in on the way are
    /// told from the stream's own, which are sealed.
    func isForeignEnd(_ nal: NALUnit) -> Bool {
        guard [.endOfSequence, .endOfBitstream].contains(nal.header.nalUnitType), encrypts, let encryption,
            encryption.options.authenticates, let lowest = encryption.encryptedLayers.first
        else { return false }
        return encryption.message(layer: lowest, period: 0)?.isForeign(layer: nal.header.nuhLayerId) ?? false
    }

    /// Messages, tags and sealed units. Returns whether it was one.
    private func takeOwn(_ nal: NALUnit) throws -> Bool {
        if let decryption {
            if SealedUnit.isOne(nal) {
                guard let opened = try decryption.open(nal) else { return false }
                report.openedSlices += 1
                if encrypts { try follow(layers: nil) }
                try process(opened, isSealed: true)
                return true
            }
            switch nal.header.nalUnitType {
            case .prefixSEI:
                guard let message = try ProtectionSEI.message(in: nal) else { return false }
                try decryption.add(message)
                plan?.inherit(message)
                // Each run of the stream as it was becomes one of its own.
                let isFirst = oldRuns.isEmpty
                if oldRuns.insert(message.nonce).inserted {
                    if encryption != nil { plan?.restart() }
                    // As the encryptor had it: no picture goes on from one run to the next. Before the new
                    // encryption's first nothing leaves: its tags cover the parameter sets that wait.
                    if !isFirst && (plan == nil || encryption != nil) {
                        try drain()
                        following.current = nil
                    }
                }
                // A layer that stays locked keeps its message.
                if decryption.lockedLayers.contains(message.layer) { return false }
            case .suffixSEI:
                // Tags of the stream as it was, and no longer is.
                guard let message = try ProtectionSEI.authentication(in: nal),
                    decryption.opens(layer: message.layer)
                else { return false }
            default: return false
            }
            report.messageBytes += nal.bytes.count + nal.startCodeLength
            // Zeros that stood after the unit before it, and at the end.
            let zeros = max(nal.startCodeLength - 4, 0) + nal.trailingZeros
            if zeros > 0 { try put(.ready(.zeros(zeros))) }
            return true
        }
        let isSealed = SealedUnit.isOne(nal) || SealedUnit.isOne(nal, kind: .hidden)
        guard encrypts, isSealed || ProtectionSEI.ownPayload(in: nal) != nil else { return false }
        try follow(layers: nil)
        if damaged == .error || damaged == .pass {
            let what = try? ProtectionSEI.message(in: nal).map { ", with key id \($0.keyId)" }
            throw KeyError.unsupported(layer: nal.header.nuhLayerId, reason: "is encrypted already\(what ?? "")")
        }
        try put(.damaged(nal, reason: "it looks like an encrypted stream's own", isSealed: false))
        return true
    }

    /// What is no NAL unit, but may have been a slice before it was damaged.
    private func takeMalformed(_ nal: NALUnit, isSealed: Bool) throws {
        var isSelected = isSealed
        if !isSealed, encrypts, let layer = nal.damagedSliceLayer {
            try follow(layers: nil)
            // Of any sub-layer, and an IRAP picture.
            isSelected = self.isSelected(
                NALUnitHeader(nalUnitType: .idrNLP, nuhLayerId: layer, nuhTemporalIdPlus1: 7))
        }
        try put(isSelected ? .damaged(nal, reason: "its header cannot be", isSealed: isSealed) : .ready(nal))
    }

    /// Whether pictures of a unit's layer and kind are to be encrypted, as far as its NAL unit header tells.
    /// - Parameter isReadable: it is a slice of a known picture, which can be tagged.
    func isSelected(_ h: NALUnitHeader, isReadable: Bool = false) -> Bool {
        guard let encryption else { return false }
        let selection: EncryptionScope
        if let message = encryption.message(layer: h.nuhLayerId, period: 0) {
            selection = message.selection
        } else if let plan, encryption.options.scheme != .bl, !plan.layers.contains(h.nuhLayerId) {
            // A layer that the VPS does not tell of.
            selection = EncryptionScope()
        } else {
            // Layers below need tags, too: others are predicted from them.
            return signals && !isReadable && encryption.tagging(layer: h.nuhLayerId) != nil
        }
        // What has no tag cannot stand in an authenticated layer.
        if encryption.options.authenticates && signals && !isReadable { return true }
        return selection.includes(h)
    }

    var isChained: Bool {
        decryption?.hasChains ?? false || encryption?.options.resynchronization == .stream
    }
}

extension StreamTranscoder.Mode {
    var encrypts: Bool {
        switch self {
        case .encrypt, .plan, .rekey, .rekeyPlan: return true
        case .decrypt, .hooks: return false
        }
    }

    var plan: ProtectionPlan? {
        switch self {
        case .plan(let plan), .rekeyPlan(_, let plan): return plan
        default: return nil
        }
    }

    var decryption: Decryption? {
        switch self {
        case .decrypt(let decryption), .rekeyPlan(let decryption, _): return decryption
        case .rekey(let rekeying): return rekeying.decryption
        default: return nil
        }
    }
}
