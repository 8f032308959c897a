// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilSystem

extension StreamTranscoder {
    // MARK: Slices

    /// What the header of a slice segment was read with.
    private struct ReadSegment {
        let header: SliceSegmentHeader
        let payload: EmulationPrevention.Parts
        let pps: PictureParameterSet
        let sps: SequenceParameterSet
        let grid: CTBGrid
    }

    func takeVCL(_ nal: NALUnit, isSealed: Bool) throws {
        report.layerBytes[nal.header.nuhLayerId, default: 0] += nal.bytes.count
        // The first slice tells which VPS counts, of several; any may be the last that came.
        let first = plan != nil && encryption == nil && nal.header.nalUnitType.isSlice ? try? read(nal) : nil
        try follow(layers: first.map { StreamLayout.layers(sets.videoParameterSet(of: $0.sps)) })
        try takeSlice(nal, isSealed: isSealed)
    }

    private func takeSlice(_ nal: NALUnit, isSealed: Bool) throws {
        let layer = nal.header.nuhLayerId
        let segment: ReadSegment
        do {
            guard nal.header.nalUnitType.isSlice else {
                throw SyntaxError.unsupported(element: "nal_unit_type", value: Int(nal.header.nalUnitType.rawValue))
            }
            var read = try read(nal)
            if leavesOut && isNewPicture(read.header) && !queue.isEmpty {
                // Slices of the last one may be left out: whoever decrypts decides without them.
                try drain()
                read = try self.read(nal)
            }
            segment = read
        } catch let error as SyntaxError {
            try putDamaged(nal, "\(error)", isSealed: isSealed)
            return
        }
        let header = segment.header
        let before = following
        if isNewPicture(header) {
            following.activePPS[layer] = header.slicePicParameterSetId
            try follow(layers: StreamLayout.layers(sets.videoParameterSet(of: segment.sps)))
            try beginPicture(segment)
            // Whoever exchanges keys does not see what a picture activates that is left out.
            checkpoint?.activePPS = before.activePPS
            following.generation = sets.generation
        } else if following.isClosed {
            try putDamaged(nal, "the beginning of its picture was left out", isSealed: isSealed)
            return
        } else if sets.generation != following.generation
            || header.slicePicParameterSetId != following.previousHeader?.slicePicParameterSetId
        {
            try putDamaged(nal, "its parameter sets are not those of its picture", isSealed: isSealed)
            return
        }
        following.previousHeader = header
        guard let picture = following.current?.picture else {
            if following.isUnknown && !isSealed { try refuseGenuine(nal, "it belongs to no picture that is known") }
            if isSelected(nal.header, isReadable: !following.isUnknown) {
                if leavesOut { following = before }
                try putDamaged(nal, "it belongs to no picture that is known", isSealed: isSealed)
            } else {
                try put(isSealed ? .damaged(nal, reason: "", isSealed: true) : .ready(nal))
            }
            return
        }
        report.recodedSlices += 1
        let index = picture.add(
            nal, header: header, payload: segment.payload, pps: segment.pps, isSealed: isSealed)
        try put(.segment(picture, index))
    }

    /// Whether whoever decrypts will not see what cannot be encrypted.
    var leavesOut: Bool { damaged == .drop && encrypts }

    private func read(_ nal: NALUnit) throws -> ReadSegment {
        let layer = nal.header.nuhLayerId
        let payload = nal.parts
        let header = try SliceSegmentHeader(
            nal: nal.header, rbsp: payload.rbsp, sets: sets,
            previous: following.current?.layer == layer ? following.previousHeader : nil)
        let pps = try sets.pictureParameterSet(id: header.slicePicParameterSetId)
        let sps = try sets.sequenceParameterSet(id: pps.ppsSeqParameterSetId, layerId: layer)
        return ReadSegment(
            header: header, payload: payload, pps: pps, sps: sps, grid: try grid(pps: pps, sps: sps, layer: layer))
    }

    /// What cannot be recoded: a matter of policy where it is to be.
    private func putDamaged(_ nal: NALUnit, _ reason: String, isSealed: Bool) throws {
        if !isSealed { try refuseGenuine(nal, reason) }
        if isSealed || isSelected(nal.header) {
            try put(.damaged(nal, reason: reason, isSealed: isSealed))
        } else {
            let layer = nal.header.nuhLayerId
            let isSelected = decryption?.selection(layer: layer)?.includes(nal.header) ?? false
            if hasOwnHooks || isSelected && !encrypts {
                report.failedSlices += 1
                report.note("slice at byte \(nal.offset), layer \(layer): \(reason)")
            }
            try put(.ready(nal))
        }
    }

    /// What an encryptor tagged it had encrypted, or sealed: its parameter sets, or what came before it, are not what
    /// they were then.
    private func refuseGenuine(_ nal: NALUnit, _ reason: String) throws {
        if isTagged(nal.header) { throw genuine(nal, reason) }
    }

    private func genuine(_ nal: NALUnit, _ reason: String) -> KeyError {
        .tampered(
            layer: nal.header.nuhLayerId, offset: nal.offset,
            reason: "has the right tag, but cannot be decrypted: \(reason)")
    }

    /// Whether a slice was encrypted, as the messages in force tell, in a picture that has a tag.
    private func isTagged(_ header: NALUnitHeader) -> Bool {
        guard let decryption, decryption.wants(layer: header.nuhLayerId), decryption.opens(layer: header.nuhLayerId),
            let message = decryption.message(layer: header.nuhLayerId)
        else { return false }
        return message.isAuthenticated && message.version > 1 && message.selection.includes(header)
    }

    /// Whether a slice segment belongs to another picture than the last one, whose first slice may have been lost.
    private func isNewPicture(_ h: SliceSegmentHeader) -> Bool {
        guard let last = following.previousHeader, following.current?.layer == h.nuhLayerId,
            !h.firstSliceSegmentInPicFlag
        else { return true }
        return h.slicePicOrderCntLsb != last.slicePicOrderCntLsb || h.nalUnitType != last.nalUnitType
            || h.temporalId != last.temporalId
    }

    private func beginPicture(_ segment: ReadSegment) throws {
        let h = segment.header
        // Whole pictures are worked on together; their slices must all be there.
        if let last = pictures.last, !isParallel || pictures.count >= threads || last.byteCount >= Self.dividedPicture {
            try drain()
        }
        if leavesOut { checkpoint = following }
        following.current = (h.nuhLayerId, nil)
        following.isClosed = false
        // A dependent segment whose slice is lost does not tell its picture.
        following.isUnknown = h.dependentSliceSegmentFlag && !h.firstSliceSegmentInPicFlag
        report.pictures += 1
        guard let hooks, !following.isUnknown else { return }
        let isIRAP = h.nalUnitType.isIRAP
        let stream = following.positions.next(h, log2MaxPicOrderCntLsb: segment.sps.log2MaxPicOrderCntLsb) {
            hooks.periodStart(layer: $0, isIRAP: $1)
        }
        if hasOwnHooks && stream.precedesIRAP { return }
        var position = stream
        if encrypts {
            // The encryptor's own: what another encryption numbered, or the stream repeats, does not matter.
            position = try following.numbering.next(stream, layer: h.nuhLayerId, isIRAP: isIRAP)
            let start = PeriodStart(period: UInt32(position.period), pocLsb: h.slicePicOrderCntLsb)
            if signals, position.beginsPeriod, let message = encryption?.message(layer: h.nuhLayerId, period: start) {
                try put(.picture(layer: h.nuhLayerId, message: ProtectionSEI.unit(message)))
            }
        }
        var unit = BinUnit(
            layer: h.nuhLayerId, period: position.period, pocDelta: position.pocDelta, ctuAddress: 0,
            temporalId: h.temporalId, isIRAP: isIRAP)
        unit.ctbSize = 1 << segment.sps.ctbLog2SizeY
        // Pictures that nothing is encrypted in go through.
        let make =
            (hooks as? Rekeying)?.pictureHooks(layer: h.nuhLayerId, old: stream)
            ?? hooks.pictureHooks(layer: h.nuhLayerId)
        guard try touches(unit), let hook = make() else { return }
        let pool = ObjectPool<HookBox?>([HookBox(hook)]) { make().map(HookBox.init) }
        let picture = PictureRecoding(
            hooks: pool, unit: unit, grid: segment.grid, sps: segment.sps, restores: !hasOwnHooks)
        picture.isTagged = isTagged(
            NALUnitHeader(
                nalUnitType: h.nalUnitType, nuhLayerId: h.nuhLayerId, nuhTemporalIdPlus1: h.temporalId + 1))
        following.current = (h.nuhLayerId, picture)
        pictures.append(picture)
    }

    /// Whether anything may be encrypted in the units of a picture.
    private func touches(_ unit: BinUnit) throws -> Bool {
        if hasOwnHooks { return true }
        let old = decryption?.message(layer: unit.layer)
        let new = encryption?.message(layer: unit.layer, period: 0)
        if encrypts, let old {
            guard let new else {
                throw KeyError.unsupported(
                    layer: unit.layer, reason: "is encrypted, and the scheme for the new keys would leave it clear")
            }
            guard new.selection.covers(old.selection), new.elements.isSuperset(of: old.elements) else {
                throw KeyError.unsupported(
                    layer: unit.layer,
                    reason: "has more encrypted than what is selected for the new keys, which would leave it clear: "
                        + "select as much (--profile, --elements, --roi), or decrypt it first")
            }
            if new.cipher == .chaotic, old.cipher != .chaotic, weakened.insert(unit.layer).inserted {
                report.note("layer \(unit.layer): was encrypted with \(old.cipher.name), and is with chaotic now")
            }
            if new.hiding.rawValue < old.hiding.rawValue, shown.insert(unit.layer).inserted {
                report.note(
                    "layer \(unit.layer): pictures were hidden (--hide \(old.hiding.rawValue)), and fewer are now "
                        + "(\(new.hiding.rawValue))")
            }
        }
        return old?.selection.includes(unit) ?? false || new?.selection.includes(unit) ?? false
    }

    /// As many as the layers of a stream take.
    private static let mostLayouts = 16

    private func grid(pps: PictureParameterSet, sps: SequenceParameterSet, layer: Int) throws -> CTBGrid {
        let key = layer << 8 | pps.ppsPicParameterSetId
        if let known = grids[key], known.generation == sets.generation { return known.grid }
        // Many parameter sets may say the same; and a small stream may have many of large pictures.
        let layout = try CTBGrid.Layout(sps: sps, pps: pps)
        if layouts.count >= Self.mostLayouts {
            layouts = [:]
            grids = [:]
        }
        let made = layouts[layout] ?? CTBGrid(layout)
        layouts[layout] = made
        grids[key] = (sets.generation, made)
        return made
    }

    /// Bytes of a picture from which its substreams are worth their waiting for each other, so that no other picture
    /// needs to be held. Of smaller ones as many as there are threads are recoded side by side.
    private static let dividedPicture = 32 << 10

    /// Chains go through all units in order; a picture that slices may be left out of is looked at alone.
    private var isParallel: Bool { threads > 1 && !isChained && checkpoint == nil }

    // MARK: Order

    func put(_ slot: Slot) throws {
        // Before the plan is made nothing is known of tags.
        if queue.isEmpty && (plan == nil || encryption != nil) {
            switch slot {
            case .segment: queue.append(slot)
            // Its picture may yet be left out.
            case .picture where checkpoint != nil: queue.append(slot)
            default: try deliver(slot)
            }
        } else {
            queue.append(slot)
        }
    }

    /// Recodes the pictures held and delivers all that waits.
    func drain() throws {
        recode()
        if leavesOut, queue.contains(where: \.hasFailed), let checkpoint {
            try leaveOut(since: checkpoint)
            return
        }
        let slots = queue
        queue = []
        pictures = []
        following.isClosed = true
        for slot in slots { try deliver(slot) }
    }

    private func recode() {
        let isParallel = threads > 1 && !isChained
        let isDivided =
            isParallel && (pictures.count < threads || pictures.contains { $0.byteCount >= Self.dividedPicture })
        let work = pictures.flatMap { picture in (0..<picture.plan(isParallel: isDivided)).map { (picture, $0) } }
        let workspaces = self.workspaces
        if isParallel && work.count > 1 {
            let pool = self.pool ?? WorkerPool(threads: threads)
            self.pool = pool
            // Jobs begin in order: what one waits for, somebody is working on already.
            pool.submit(
                WorkerPool.Group(
                    count: work.count, run: { work[$0].0.run(task: work[$0].1, workspaces) }, finish: {}))
            pool.wait(unfinishedAtMost: 0)
        } else {
            for (picture, task) in work { picture.run(task: task, workspaces) }
        }
    }

    /// Goes back to before the picture held and follows it again without the slices that cannot be encrypted: whoever
    /// decrypts will not see them either.
    private func leaveOut(since checkpoint: Following) throws {
        let slots = queue
        queue = []
        pictures = []
        following = checkpoint
        following.isClosed = true
        report.pictures -= 1
        for slot in slots {
            switch slot {
            case .ready, .damaged: try put(slot)
            case .picture: break
            case .segment(let picture, let index):
                let nal = picture.original(index)
                if case .failed(let failure) = picture.results[index] {
                    try put(.damaged(nal, reason: "\(failure)", isSealed: false))
                } else {
                    try takeSlice(nal, isSealed: false)
                }
            }
        }
        try drain()
    }

    private func deliver(_ slot: Slot) throws {
        switch slot {
        case .ready(let nal) where isAlarming(nal) || isForeignEnd(nal):
            try deliver(damaged: nal, "it would be taken for a forgery", isSealed: true)
        case .ready(let nal):
            try announce(before: nal)
            try deliver(nal)
        case .picture(let layer, let message): try deliver(message: message, layer: layer)
        case .damaged(let nal, let reason, let isSealed): try deliver(damaged: nal, reason, isSealed: isSealed)
        case .segment(let picture, let index):
            let original = picture.original(index)
            switch picture.results[index] {
            case .recoded(let nal):
                if encrypts {
                    hasDelivered = true
                    if picture.isClear(index, nal) {
                        // What is hidden is sealed when it leaves.
                        if !(encryption?.hides(nal.header) ?? false) {
                            report.unchangedSlices[nal.header.nuhLayerId, default: 0] += 1
                        }
                    } else {
                        hasChanged = true
                    }
                }
                try deliver(nal)
            case .failed(let failure):
                if picture.isTagged && failure != .sealed { throw genuine(original, "\(failure)") }
                try deliver(damaged: original, "\(failure)", isSealed: failure == .sealed)
            }
        }
    }

    /// Whether a unit would be taken for a forgery: some decoders read what is no NAL unit, and no tag covers it.
    private func isAlarming(_ nal: NALUnit) -> Bool {
        encrypts && signals && nal.isForbidden && encryption?.options.authenticates == true
    }

    private func deliver(message: NALUnit, layer: Int) throws {
        announced.insert(layer)
        report.messageBytes += message.bytes.count + message.startCodeLength
        try deliver(message)
    }

    /// Before slices that leave as they came: whoever holds keys for their layer must know from a message that they are
    /// meant to.
    private func announce(before nal: NALUnit) throws {
        guard encrypts, let encryption, !nal.isMalformed, nal.header.nalUnitType.isVCL else { return }
        let own = nal.header.nuhLayerId
        let encrypted = encryption.encryptedLayers
        if encrypted.contains(own) {
            try announce(own)
        } else if announced.isEmpty, let lowest = encrypted.first {
            try announce(lowest)
        }
    }

    private func announce(_ layer: Int) throws {
        guard signals, !announced.contains(layer), let message = encryption?.message(layer: layer, period: 0) else {
            return
        }
        try deliver(message: ProtectionSEI.unit(message), layer: layer)
    }

    private func deliver(damaged nal: NALUnit, _ reason: String, isSealed: Bool) throws {
        let type = nal.isMalformed ? "unit" : nal.header.nalUnitType.isVCL ? "slice" : "\(nal.header.nalUnitType)"
        let place = "layer \(nal.header.nuhLayerId), \(type) at byte \(nal.offset)"
        guard encrypts else {
            if !isSealed {
                report.failedSlices += 1
                report.note("\(place): \(reason)" + (decryption == nil ? "" : "; left as it is"))
            }
            try deliver(nal)
            return
        }
        switch isSealed ? .seal : damaged {
        case .error:
            throw ProtectionError.damaged(
                layer: nal.header.nuhLayerId, offset: nal.offset, type: type, reason: reason)
        case .drop:
            report.droppedSlices += 1
            report.note("\(place): \(reason); left out")
        case .pass:
            report.failedSlices += 1
            report.note("\(place): \(reason); IN THE CLEAR")
            try announce(before: nal)
            try deliver(nal)
        case .seal:
            guard let encryption, let lowest = encryption.encryptedLayers.first else {
                throw ProtectionError.damaged(
                    layer: nal.header.nuhLayerId, offset: nal.offset, type: type, reason: "there is no key to seal it")
            }
            let own = nal.header.nuhLayerId
            let layer = encryption.encryptedLayers.contains(own) ? own : lowest
            // Whoever opens it must know the run.
            try announce(layer)
            report.sealedSlices += 1
            if !isSealed { report.note("\(place): \(reason); sealed") }
            hasDelivered = true
            try deliver(try encryption.seal(nal, layer: layer))
        }
    }
}

extension StreamTranscoder.Slot {
    /// Whether it is a slice segment that cannot be recoded, once that was tried.
    var hasFailed: Bool {
        if case .segment(let picture, let index) = self, case .failed = picture.results[index] { return true }
        return false
    }
}
