// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import Synchronization
import VeilBitstream
import VeilEntropy

/// What a transcode did.
package struct TranscodeReport: Sendable {
    package var pictures = 0
    package var recodedSlices = 0
    /// Slices that could not be parsed and went through as they were.
    package var failedSlices = 0
    /// Bytes of slice NAL units by layer.
    package var layerBytes: [Int: Int] = [:]
    /// Bytes of encryption messages put in or taken out, start codes included.
    package var messageBytes = 0
    /// The first few messages about damage, one line each.
    package var messages: [String] = []
    package init() {}
    mutating func note(_ message: String) { if messages.count < 20 { messages.append(message) } }
}

/// Encrypts or decrypts a coded stream in the domain of bins: slice data is parsed, encryptable bins are replaced,
/// and the arithmetic code is written again. Everything else passes through, byte for byte.
///
/// NAL units come out in the order they went in. The slices, tiles and WPP rows of large pictures are recoded on
/// several threads, small pictures side by side; at most `threads` of them are held.
package final class StreamTranscoder {
    package enum Mode {
        case encrypt(Encryption)
        case decrypt(Decryption)
        /// Decrypts with old keys and encrypts with new ones, in one pass.
        case rekey(Rekeying)
        /// Recodes with other hooks: a watermark, statistics.
        case hooks(any BinHookProvider)
    }

    private enum Slot {
        case ready(NALUnit)
        case segment(PictureRecoding, Int)
    }

    package private(set) var report = TranscodeReport()
    private let mode: Mode
    private let threads: Int
    private let signals: Bool
    private let deliver: (NALUnit) throws -> Void
    private let authenticator: StreamAuthenticator?
    private let verifier: StreamVerifier?
    /// IRAP indices of pictures whose message was sent, for the tags.
    private let irapIndices = IrapIndices()
    private let sets = ParameterSetCollection()
    private var positions = StreamPosition()
    private var layouts: [Int: (generation: Int, layout: CTBLayout)] = [:]
    private let workspaces = RecodingWorkspacePool()
    private var queue: [Slot] = []
    private var pictures: [PictureRecoding] = []
    private var current: (layer: Int, picture: PictureRecoding?)?
    private var previousHeader: SliceSegmentHeader?

    /// IRAP indices by layer in the order of pictures: the authenticator works behind the queue.
    private final class IrapIndices {
        private var waiting: [Int: [PeriodStart]] = [:]
        func add(_ period: Int, layer: Int) {
            waiting[layer, default: []].append(PeriodStart(period: UInt32(truncatingIfNeeded: period)))
        }
        func next(_ layer: Int, isIRAP: Bool) -> PeriodStart? {
            guard isIRAP, waiting[layer]?.isEmpty == false else { return nil }
            return waiting[layer]?.removeFirst()
        }
    }

    /// - Parameter signals: encrypting, put the encryption messages into the stream.
    package init(mode: Mode, threads: Int, signals: Bool = true, deliver: @escaping (NALUnit) throws -> Void) {
        self.mode = mode
        self.threads = max(threads, 1)
        self.signals = signals
        let encryption = mode.encryption
        if let encryption, encryption.options.authenticates, signals {
            let made = StreamAuthenticator(encryption, periodStart: irapIndices.next, deliver: deliver)
            authenticator = made
            self.deliver = { try made.push($0) }
        } else {
            authenticator = nil
            self.deliver = deliver
        }
        verifier = mode.decryption.map { StreamVerifier($0) }
    }

    private var hooks: any BinHookProvider {
        switch mode {
        case .encrypt(let encryption): return encryption
        case .decrypt(let decryption): return decryption
        case .rekey(let rekeying): return rekeying
        case .hooks(let provider): return provider
        }
    }

    /// Takes the next NAL unit. Throws what `deliver` throws, and a missing or wrong key; slices that cannot be
    /// parsed go through.
    package func push(_ nal: NALUnit) throws {
        try verifier?.push(nal)
        let type = nal.header.nalUnitType
        do {
            switch type {
            case .vps, .sps, .pps:
                if nal.header.nuhLayerId == 0 { positions.boundary() }
                try sets.take(nal)
            case .accessUnitDelimiter: positions.boundary()
            case .endOfSequence, .endOfBitstream: positions.endOfSequence(layer: nal.header.nuhLayerId)
            case .prefixSEI:
                if nal.header.nuhLayerId == 0 { positions.boundary() }
                if case .encrypt(let encryption) = mode, let message = try ProtectionSEI.message(in: nal),
                    encryption.encryptedLayers.contains(message.layer)
                {
                    throw KeyError.unsupported(
                        layer: message.layer, reason: "is encrypted already, with key id \(message.keyId)")
                }
                if let decryption = mode.decryption, let message = try ProtectionSEI.message(in: nal) {
                    try decryption.take(message)
                    // A layer that stays locked keeps its message.
                    if !decryption.lockedLayers.contains(message.layer) {
                        report.messageBytes += nal.bytes.count + nal.startCodeLength
                        return
                    }
                }
            case .suffixSEI:
                // Tags of the stream as it was, and no longer is.
                if let decryption = mode.decryption, let message = try ProtectionSEI.authentication(in: nal),
                    decryption.authentication(layer: message.layer).key != nil
                {
                    report.messageBytes += nal.bytes.count + nal.startCodeLength
                    return
                }
            default:
                if type.isSlice {
                    try takeSlice(nal)
                    return
                }
            }
        } catch let error as SyntaxError {
            report.note("\(type) at byte \(nal.offset), layer \(nal.header.nuhLayerId): \(error)")
        }
        try put(.ready(nal))
    }

    /// Ends the stream.
    package func finish() throws {
        try verifier?.finish()
        try drain()
        try authenticator?.finish()
    }

    // MARK: Slices

    private func takeSlice(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        report.layerBytes[layer, default: 0] += nal.bytes.count
        do {
            let payload = nal.payload()
            let header = try SliceSegmentHeader(
                nal: nal.header, rbsp: payload.rbsp, sets: sets,
                previous: current?.layer == layer ? previousHeader : nil)
            if isNewPicture(header) { try beginPicture(header) }
            previousHeader = header
            guard let picture = current?.picture else {
                try put(.ready(nal))
                return
            }
            let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
            report.recodedSlices += 1
            try put(.segment(picture, picture.add(nal, header: header, payload: payload, pps: pps)))
        } catch let error as SyntaxError {
            report.failedSlices += 1
            report.note("slice at byte \(nal.offset), layer \(layer): \(error)")
            try put(.ready(nal))
        }
    }

    /// Whether a slice segment belongs to another picture than the last one, whose first slice may have been lost.
    private func isNewPicture(_ h: SliceSegmentHeader) -> Bool {
        guard let last = previousHeader, current?.layer == h.nuhLayerId, !h.firstSliceSegmentInPicFlag else {
            return true
        }
        return h.slicePicOrderCntLsb != last.slicePicOrderCntLsb || h.sliceSegmentAddress <= last.sliceSegmentAddress
    }

    private func beginPicture(_ h: SliceSegmentHeader) throws {
        // Whole pictures are worked on together; their slices must all be there.
        if let last = pictures.last, !isParallel || pictures.count >= threads || last.byteCount >= Self.dividedPicture {
            try drain()
        }
        current = (h.nuhLayerId, nil)
        report.pictures += 1
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: h.nuhLayerId)
        let hooks = self.hooks
        // A dependent segment whose slice is lost does not tell its picture.
        guard h.firstSliceSegmentInPicFlag || !h.dependentSliceSegmentFlag else { return }
        let position = positions.next(h, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb) {
            hooks.periodStart(layer: $0, isIRAP: $1)
        }
        if position.precedesIRAP { return }
        let isIRAP = h.nalUnitType.isIRAP
        if isIRAP { irapIndices.add(position.period, layer: h.nuhLayerId) }
        if signals, isIRAP, let encryption = mode.encryption,
            let message = encryption.message(layer: h.nuhLayerId, period: UInt32(truncatingIfNeeded: position.period))
        {
            let sei = ProtectionSEI.unit(message)
            report.messageBytes += sei.bytes.count + sei.startCodeLength
            try put(.ready(sei))
        }
        var unit = BinUnit(
            layer: h.nuhLayerId, period: position.period, pocDelta: position.pocDelta, ctuAddress: 0,
            temporalId: h.temporalId, isIRAP: isIRAP)
        unit.ctbSize = 1 << sps.ctbLog2SizeY
        // Pictures that nothing is encrypted in go through.
        let make = hooks.pictureHooks(layer: h.nuhLayerId)
        guard mode.touches(unit), let hook = make() else { return }
        let pool = HookPool(hook, make: make)
        let picture = PictureRecoding(
            hooks: pool, unit: unit, layout: try layout(pps: pps, sps: sps, layer: h.nuhLayerId), sps: sps)
        current = (h.nuhLayerId, picture)
        pictures.append(picture)
    }

    private func layout(pps: PictureParameterSet, sps: SequenceParameterSet, layer: Int) throws -> CTBLayout {
        let key = layer << 8 | pps.ppsPicParameterSetId
        if let known = layouts[key], known.generation == sets.generation { return known.layout }
        let made = try CTBLayout(sps: sps, pps: pps)
        layouts[key] = (sets.generation, made)
        return made
    }

    /// Bytes of a picture from which its substreams are worth their waiting for each other, so that no other picture
    /// needs to be held. Of smaller ones as many as there are threads are recoded side by side.
    private static let dividedPicture = 32 << 10

    /// Chains go through all units in order.
    private var isParallel: Bool { threads > 1 && !isChained }

    private var isChained: Bool {
        switch mode {
        case .encrypt(let encryption): return encryption.options.resynchronization == .stream
        case .decrypt(let decryption): return decryption.hasChains
        case .rekey(let rekeying):
            return rekeying.decryption.hasChains || rekeying.encryption.options.resynchronization == .stream
        case .hooks: return false
        }
    }

    // MARK: Order

    private func put(_ slot: Slot) throws {
        if queue.isEmpty, case .ready(let nal) = slot {
            try deliver(nal)
        } else {
            queue.append(slot)
        }
    }

    /// Recodes the pictures held and delivers all that waits.
    private func drain() throws {
        let isParallel = self.isParallel
        let isDivided =
            isParallel && (pictures.count < threads || pictures.contains { $0.byteCount >= Self.dividedPicture })
        let work = pictures.flatMap { picture in (0..<picture.plan(isParallel: isDivided)).map { (picture, $0) } }
        let workspaces = self.workspaces
        if isParallel && work.count > 1 {
            // Tasks are taken in order: what one waits for, somebody is working on already.
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: min(threads, work.count)) { _ in
                while true {
                    let i = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    if i >= work.count { return }
                    work[i].0.run(task: work[i].1, workspaces)
                }
            }
        } else {
            for (picture, task) in work { picture.run(task: task, workspaces) }
        }
        for slot in queue {
            switch slot {
            case .ready(let nal): try deliver(nal)
            case .segment(let picture, let index):
                if let nal = picture.results[index] {
                    try deliver(nal)
                } else {
                    let nal = picture.original(index)
                    report.failedSlices += 1
                    report.note(
                        "slice at byte \(nal.offset), layer \(nal.header.nuhLayerId): the slice data cannot be "
                            + "parsed; left as it is"
                    )
                    try deliver(nal)
                }
            }
        }
        queue.removeAll()
        pictures.removeAll()
        current = nil
    }
}

extension StreamTranscoder.Mode {
    var encryption: Encryption? {
        switch self {
        case .encrypt(let encryption): return encryption
        case .rekey(let rekeying): return rekeying.encryption
        default: return nil
        }
    }

    var decryption: Decryption? {
        switch self {
        case .decrypt(let decryption): return decryption
        case .rekey(let rekeying): return rekeying.decryption
        default: return nil
        }
    }

    /// Whether anything may be encrypted in the units of a picture.
    func touches(_ unit: BinUnit) -> Bool {
        if case .hooks = self { return true }
        let old = decryption?.selection(layer: unit.layer)
        let new = encryption?.message(layer: unit.layer, period: 0)?.selection
        return old?.includes(unit) ?? false || new?.includes(unit) ?? false
    }
}
