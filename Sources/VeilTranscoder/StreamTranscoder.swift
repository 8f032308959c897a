// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import VeilBins
import VeilCrypto
import VeilSyntax

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

/// Encrypts or decrypts a coded stream in the domain of bins: slice data is parsed, encryptable bins are replaced, and the arithmetic
/// code is written again. Everything else passes through, byte for byte.
///
/// NAL units come out in the order they went in. Pictures are recoded on several threads; at most `threads` of them are held.
package final class StreamTranscoder {
    package enum Mode {
        case encrypt(Encryption)
        case decrypt(Decryption)
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
    private let sets = ParameterSetCollection()
    private var order = PictureOrder()
    private var layouts: [Int: (generation: Int, layout: CTBLayout)] = [:]
    private let workspaces = RecodingWorkspacePool()
    private var queue: [Slot] = []
    private var pictures: [PictureRecoding] = []
    private var current: (layer: Int, picture: PictureRecoding?)?
    private var previousHeader: SliceSegmentHeader?

    /// - Parameter signals: encrypting, put the encryption messages into the stream.
    package init(mode: Mode, threads: Int, signals: Bool = true, deliver: @escaping (NALUnit) throws -> Void) {
        self.mode = mode
        self.threads = max(threads, 1)
        self.signals = signals
        self.deliver = deliver
    }

    private var hooks: any BinHookProvider {
        switch mode {
        case .encrypt(let encryption): return encryption
        case .decrypt(let decryption): return decryption
        case .hooks(let provider): return provider
        }
    }

    /// Takes the next NAL unit. Throws what `deliver` throws, and a missing or wrong key; slices that cannot be parsed go through.
    package func push(_ nal: NALUnit) throws {
        let type = nal.header.nalUnitType
        do {
            switch type {
            case .vps, .sps, .pps:
                if nal.header.nuhLayerId == 0 { order.boundary() }
                try sets.take(nal)
            case .accessUnitDelimiter: order.boundary()
            case .endOfSequence, .endOfBitstream: order.endOfSequence(layer: nal.header.nuhLayerId)
            case .prefixSEI:
                if nal.header.nuhLayerId == 0 { order.boundary() }
                if case .encrypt(let encryption) = mode, let message = try ProtectionSEI.message(in: nal),
                    encryption.encryptedLayers.contains(message.layer)
                {
                    throw KeyError.unsupported(layer: message.layer, reason: "is encrypted already, with key id \(message.keyId)")
                }
                if case .decrypt(let decryption) = mode, let message = try ProtectionSEI.message(in: nal) {
                    try decryption.take(message)
                    // A layer that stays locked keeps its message.
                    if !decryption.lockedLayers.contains(message.layer) {
                        report.messageBytes += nal.bytes.count + nal.startCodeLength
                        return
                    }
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
    package func finish() throws { try drain() }

    // MARK: Slices

    private func takeSlice(_ nal: NALUnit) throws {
        let layer = nal.header.nuhLayerId
        report.layerBytes[layer, default: 0] += nal.bytes.count
        do {
            let rbsp = nal.rbsp
            let header = try SliceSegmentHeader(
                nal: nal.header, rbsp: rbsp, sets: sets, previous: current?.layer == layer ? previousHeader : nil)
            if header.firstSliceSegmentInPicFlag || current?.layer != layer { try beginPicture(header) }
            previousHeader = header
            guard let picture = current?.picture else {
                try put(.ready(nal))
                return
            }
            let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
            report.recodedSlices += 1
            try put(.segment(picture, picture.add(nal, header: header, rbsp: rbsp, pps: pps)))
        } catch let error as SyntaxError {
            report.failedSlices += 1
            report.note("slice at byte \(nal.offset), layer \(layer): \(error)")
            try put(.ready(nal))
        }
    }

    private func beginPicture(_ h: SliceSegmentHeader) throws {
        // Whole pictures are worked on together; their slices must all be there.
        if pictures.count >= (isChained ? 1 : threads) { try drain() }
        current = (h.nuhLayerId, nil)
        report.pictures += 1
        let pps = try sets.pictureParameterSet(id: h.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: h.nuhLayerId)
        let hooks = self.hooks
        guard h.firstSliceSegmentInPicFlag,
            let position = order.next(h, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb, irapIndex: { hooks.irapIndex(layer: $0) })
        else { return }
        let isIRAP = h.nalUnitType.isIRAP
        if signals, isIRAP, case .encrypt(let encryption) = mode,
            let message = encryption.message(layer: h.nuhLayerId, irapIndex: position.irapIndex)
        {
            let sei = ProtectionSEI.unit(message)
            report.messageBytes += sei.bytes.count + sei.startCodeLength
            try put(.ready(sei))
        }
        guard let hook = hooks.makeHook(layer: h.nuhLayerId) else { return }
        var unit = BinUnit(
            layer: h.nuhLayerId, irapIndex: position.irapIndex, pocDelta: Int(position.poc) - Int(position.irapPoc), ctuAddress: 0,
            temporalId: h.temporalId, isIRAP: isIRAP)
        unit.ctbSize = 1 << sps.ctbLog2SizeY
        let picture = PictureRecoding(hook: HookBox(hook), unit: unit, layout: try layout(pps: pps, sps: sps, layer: h.nuhLayerId), sps: sps)
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

    private var isChained: Bool {
        switch mode {
        case .encrypt(let encryption): return encryption.options.resynchronisation == .stream
        case .decrypt(let decryption): return decryption.hasChains
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
        let work = pictures
        let workspaces = self.workspaces
        if work.count == 1 {
            work[0].run(workspaces)
        } else if work.count > 1 {
            DispatchQueue.concurrentPerform(iterations: work.count) { work[$0].run(workspaces) }
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
                    report.note("slice at byte \(nal.offset), layer \(nal.header.nuhLayerId): the slice data cannot be parsed; left as it is")
                    try deliver(nal)
                }
            }
        }
        queue.removeAll()
        pictures.removeAll()
        current = nil
    }
}
