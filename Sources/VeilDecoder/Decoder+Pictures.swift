// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

// Slices and pictures as they begin (8.1.3): their headers, order counts (8.3.1), reference picture sets (8.3.2).
extension Decoder {
    func readHash(_ nal: NALUnit) throws {
        guard let current, current.unit.layer == nal.header.nuhLayerId else { return }
        for message in try SEIMessage.messages(rbsp: nal.rbsp)
        where message.payloadType == SEIMessage.decodedPictureHash {
            current.hash = try DecodedPictureHash(payload: message.payload)
        }
    }

    private func noteMissingVPS(_ layerId: Int) {
        report.unseenPictures = max(report.unseenPictures, 1)
        report.noteOnce("layer \(layerId) is left out: the VPS, which tells what it is predicted from, is missing")
    }

    func addSliceSegment(_ nal: NALUnit) throws {
        let layerId = nal.header.nuhLayerId
        guard try selection().isNeeded(layerId) else {
            if case .highest = options.output, layerId > 0, sets.anyVps == nil { noteMissingVPS(layerId) }
            if layerId == 0 || layerId <= current?.unit.layer ?? 0 { try finishPicture() }
            return
        }
        let parts = nal.parts
        let rbsp = parts.rbsp
        let isFirst = (rbsp.first ?? 0) & 0x80 != 0
        if isFirst {
            try finishPicture()
            skippedLayer = nil
        }
        let previous = current != nil && current?.unit.layer == layerId ? currentHeader : nil
        let header = try SliceSegmentHeader(nal: nal.header, rbsp: rbsp, sets: sets, previous: previous)
        // All slices of a picture have one PPS, hence one size: addresses and references are of that.
        if let previous, header.slicePicParameterSetId != previous.slicePicParameterSetId {
            throw SyntaxError.outOfRange(element: "slice_pic_parameter_set_id", value: header.slicePicParameterSetId)
        }
        if let current, previous != nil, current.segments.count >= StreamLimits.slicesPerPicture {
            throw SyntaxError.outOfRange(element: "slice_segment_address", value: header.sliceSegmentAddress)
        }
        if header.firstSliceSegmentInPicFlag {
            try beginPicture(header)
        } else if current == nil || current?.unit.layer != layerId {
            // The picture's first slice was lost or skipped.
            if layers[layerId]?.skipsRasl == true && nal.header.nalUnitType.isRASL { return }
            if skippedLayer == layerId { return }
            guard !header.dependentSliceSegmentFlag, layers[layerId] != nil else { return }
            try finishPicture()
            try beginPicture(header)
        }
        guard let current, let layer = layers[layerId] else { return }
        let parameters = SliceParameters(
            header: header, sps: current.sets.sps, pps: current.sets.pps, grid: current.sets.grid)
        let context: SliceContext
        if header.dependentSliceSegmentFlag, let last = current.segments.last {
            context = last.context
        } else {
            context = makeContext(header, parameters, current, layer)
        }
        currentHeader = header
        var segment = SliceSegmentJob(
            header: header, parameters: parameters, context: context, rbsp: rbsp, removedBytes: parts.removed,
            beginsSlice: !header.dependentSliceSegmentFlag || current.segments.isEmpty)
        // What recoding could not give back byte for byte was never recoded.
        segment.bypassesHooks = nal.bypassesHooks || !parts.isCanonical
        current.add(segment)
    }

    func beginAccessUnit() {
        showAlternative()
        accessUnit.removeAll()
        accessUnitCount += 1
    }

    func beginPicture(_ h: SliceSegmentHeader) throws {
        let layerId = h.nuhLayerId
        let active = try activated.sets(sets, ppsId: h.slicePicParameterSetId, layerId: layerId) {
            layers[$0]?.active
        }
        let sps = active.sps
        try options.limits.check(sps)
        let layer = layers[layerId] ?? LayerState(layerId: layerId)
        let type = h.nalUnitType
        if layerId == 0, baseSps?.spsVideoParameterSetId != sps.spsVideoParameterSetId {
            baseSps = sps
            isSelectionCurrent = false
        }
        let position = positions.next(h, log2MaxPicOrderCntLsb: sps.log2MaxPicOrderCntLsb) {
            options.hooks?.periodStart(layer: $0, isIRAP: $1)
        }
        if position.beginsAccessUnit { beginAccessUnit() }
        let userData = messages.begin(layer: layerId, beginsAccessUnit: position.beginsAccessUnit)
        if position.precedesIRAP && !(beginsAnywhere && layerId == 0) {
            // Decoding can only begin at an IRAP picture, or where pictures are refreshed step by step.
            report.noteOnce("layer \(layerId): \(type) before any IRAP picture, skipped")
            return
        }
        layers[layerId] = layer
        let noRaslOutput = position.restarts
        if layerId == 0 && type.isIRAP { endSequence() }
        // IDR pictures have no RASL pictures: where some follow, the CRA picture that they belong to was lost.
        if type.isIRAP { layer.skipsRasl = noRaslOutput && !type.isIDR }
        if type.isRASL && layer.skipsRasl {
            report.skippedRasl += 1
            return
        }
        let poc = position.poc
        layer.decrementPocs(by: position.decrement)
        if noRaslOutput {
            for entry in layer.dpb.entries { entry.marking = .unused }
        }
        if layer.dpb.entries.contains(where: { $0.poc == poc && $0.marking != .unused && !$0.isGenerated }) {
            report.noteOnce("layer \(layerId): pictures that repeat the order count of one still at hand, skipped")
            skippedLayer = layerId
            return
        }
        currentReferences = layer.referenceSets(h, poc: poc, log2MaxLsb: sps.log2MaxPicOrderCntLsb)
        if noRaslOutput && !layer.isFirstPictureEver {
            let discard = type == .cra || h.noOutputOfPriorPicsFlag
            if !discard { queue(layer.dpb.flush()) }
            layer.dpb.removeAll()
            layer.lastOutputPoc = .min
        }
        layer.isFirstPictureEver = false
        layer.active = active
        let limits = sps.subLayerOrdering.last ?? .init()
        layer.dpb.maxDecPicBuffering = limits.maxDecPicBufferingMinus1 + 1
        layer.dpb.maxDecPicBuffering = max(layer.dpb.maxDecPicBuffering, limits.maxNumReorderPics + 1)
        let referenced = h.shortTermRefPicSet.numDeltaPocs + h.longTermRefPics.count
        if referenced >= layer.dpb.maxDecPicBuffering {
            report.noteOnce(
                "layer \(layerId): more pictures are referred to than sps_max_dec_pic_buffering_minus1 = "
                    + "\(limits.maxDecPicBufferingMinus1) has room for; kept all the same")
            layer.dpb.maxDecPicBuffering = referenced + 1
        }
        layer.dpb.maxNumReorderPics = limits.maxNumReorderPics
        if !noRaslOutput {
            replaceMissing(layer, active)
            queue(layer.dpb.bumpBeforeDecoding())
        }

        let picture = CodedPicture(
            frame: FrameBuffer(sps.format),
            // Every CTU leaves its motion, decoded or concealed.
            motion: MotionField(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, ctbLog2Size: sps.ctbLog2SizeY,
                clears: false))
        picture.poc = poc
        picture.nuhLayerId = layerId
        picture.temporalId = h.temporalId
        var info = OutputInfo()
        info.nuhLayerId = layerId
        info.poc = poc
        info.window = sps.window
        info.accessUnit = accessUnitCount
        info.userData = userData
        let isOutputLayer = try selection().isOutput(layerId)
        let output = h.picOutputFlag && isOutputLayer
        if isOutputLayer { sequence.hasOutput = true } else { sequence.pictures += 1 }
        let entry = DPBEntry(
            picture: picture, poc: poc, neededForOutput: output, isGenerated: false, temporalId: h.temporalId,
            output: info)
        var unit = BinUnit(
            layer: layerId, period: position.period, pocDelta: position.pocDelta, ctuAddress: 0,
            temporalId: h.temporalId, isIRAP: type.isIRAP)
        unit.ctbSize = 1 << sps.ctbLog2SizeY
        let decoding = PictureDecoding(
            picture: picture, sets: active, unit: unit, hooks: options.hooks?.pictureHooks(layer: layerId),
            workspaces: workspaces)
        decoding.verifies = options.verify
        try prepareInterLayer(h, decoding, layer)
        decoding.concealment = layer.dpb.nearest(to: poc)
        currentEntry = entry
        current = decoding
        if h.picOutputFlag { shown[layerId] = entry }
    }
}
