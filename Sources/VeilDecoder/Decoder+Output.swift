// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilRecon

// Pictures as they end: given to the workers, then put out in their order (C.5.2).
extension Decoder {
    /// Gives the collected picture to the workers.
    func finishPicture() throws {
        guard let decoding = current, let entry = currentEntry else { return }
        current = nil
        currentHeader = nil
        currentEntry = nil
        let format = decoding.sets.sps.format
        budget.earn(bytes: decoding.segments.reduce(0) { $0 + $1.rbsp.count })
        if canConceal() {
            report.picturesDecoded += 1
            inFlight.append(decoding)
            let jobs = decoding.prepare(threads: pool.threadCount)
            pool.submit(WorkerPool.Group(count: jobs, run: { decoding.run(job: $0) }, finish: { decoding.finish() }))
        } else {
            // Nearly nothing of the pictures before was there.
            report.failedSlices += decoding.segments.count
            report.noteOnce(
                "layer \(decoding.unit.layer): too little is left of too many pictures; from POC \(entry.poc) on some "
                    + "are passed over")
            entry.picture = standIns.picture(format, poc: entry.poc, showing: decoding.concealment)
            entry.isGenerated = true
            entry.neededForOutput = false
            shown[decoding.unit.layer] = nil
        }
        accessUnit[decoding.unit.layer] = entry.picture
        if let layer = layers[decoding.unit.layer] {
            layer.dpb.insert(entry)
            queue(layer.dpb.bumpAfterDecoding())
        }
        // Bounds memory: no more pictures wait for a worker than there are workers.
        pool.wait(unfinishedAtMost: 2 * pool.threadCount)
        collectOutcomes()
        try drain(all: false)
    }

    /// Whether the stream has paid for making up this many samples. Asks for the outcome of pictures under way only
    /// where it could change the answer, which therefore does not depend on the number of threads.
    func canConceal() -> Bool {
        let pending = inFlight.reduce(0) { $0 + $1.sets.sps.format.lumaSamples }
        if budget.samples < pending {
            pool.wait(unfinishedAtMost: 0)
            collectOutcomes()
        }
        return !budget.isExhausted
    }

    func collectOutcomes() {
        while let first = inFlight.first, first.isDone {
            let o = first.outcome
            inFlight.removeFirst()
            report.hashesChecked += o.hashesChecked
            report.hashMismatches += o.hashMismatches
            report.failedSlices += o.failedSlices
            report.concealedCTUs += o.concealedCTUs
            budget.spend(min(o.concealedCTUs << (2 * first.sets.grid.log2CtbSize), first.sets.sps.format.lumaSamples))
            if o.hashMismatches > 0 {
                report.note("layer \(first.unit.layer), POC \(first.picture.poc): picture hash differs")
            }
            if o.repeatedSlices > 0 {
                report.note(
                    "layer \(first.unit.layer), POC \(first.picture.poc): \(o.repeatedSlices) slice segments of what "
                        + "others have already, left out")
            }
            if o.concealedCTUs > 0 {
                report.note(
                    "layer \(first.unit.layer), POC \(first.picture.poc): \(o.concealedCTUs) CTUs lost and concealed")
            }
        }
    }

    func queue(_ entries: [DPBEntry]) {
        for entry in entries {
            if let layer = layers[entry.output.nuhLayerId] { layer.lastOutputPoc = max(layer.lastOutputPoc, entry.poc) }
            let sps = layers[entry.output.nuhLayerId]?.sps
            let vps = sets.anyVps
            let timing = sps?.vui?.timing ?? vps?.timing
            outputQueue.append(
                DecodedFrame(
                    picture: entry.picture, info: entry.output,
                    timing: timing.map { (timeScale: $0.timeScale, numUnitsInTick: $0.numUnitsInTick) },
                    colour: colour(ofLayer: entry.output.nuhLayerId), isField: sps?.vui?.fieldSeqFlag ?? false))
        }
    }

    /// What the samples of a layer mean. One that does not tell shows what the base layer shows.
    private func colour(ofLayer id: Int) -> ColourDescription {
        let own = (layers[id]?.sps?.vui?.colour ?? ColourDescription()).completed(by: messages.colour(ofLayer: id))
        guard id > 0, own.isEmpty, let from = layers[0]?.sps, let to = layers[id]?.sps else { return own }
        return colour(ofLayer: 0).scaled(from: from.shownSize, to: to.shownSize)
    }

    /// Layers that are put out, as far as the VPS at hand tells: nil for as many as there are.
    package var outputLayerCount: Int? { lastSelection?.outputCount }

    func drain(all: Bool) throws {
        while let first = outputQueue.first, all || first.picture.isFinished {
            first.picture.waitUntilFinished()
            outputQueue.removeFirst()
            report.picturesOutput += 1
            try deliver(first)
        }
    }

    /// With alt_output_layer_flag: the highest picture of the access unit that may be shown, where the output layer
    /// has none.
    func showAlternative() {
        defer { shown.removeAll() }
        guard let alternatives = lastSelection?.alternatives, shown[alternatives.layer] == nil,
            let standIn = shown.filter({ alternatives.layers.contains($0.key) }).max(by: { $0.key < $1.key })?.value
        else { return }
        // It takes its turn among the pictures of the output layer.
        let layer = layers[alternatives.layer] ?? LayerState(layerId: alternatives.layer)
        layers[alternatives.layer] = layer
        let entry = DPBEntry(
            picture: standIn.picture, poc: standIn.poc, neededForOutput: true, isGenerated: false,
            temporalId: standIn.temporalId,
            output: standIn.output)
        entry.marking = .unused
        layer.dpb.insert(entry)
        queue(layer.dpb.bumpAfterDecoding())
    }
}
