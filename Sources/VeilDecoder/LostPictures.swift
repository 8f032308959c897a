// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilRecon

extension Decoder {
    /// Makes up the pictures that the current one refers to and that never came (8.3.3 for lost pictures), before it
    /// is known which are put out next: they are, in their place, unless later ones were already.
    func replaceMissing(_ layer: LayerState, _ active: ActiveParameterSets) {
        func fill(_ list: inout [(entry: DPBEntry?, poc: Int32)], marking: ReferenceMarking) {
            for i in list.indices where list[i].entry == nil {
                list[i].entry = makeUp(list[i].poc, layer, active, isShown: marking == .shortTerm)
                list[i].entry?.marking = marking
            }
        }
        fill(&currentReferences.stCurrBefore, marking: .shortTerm)
        fill(&currentReferences.stCurrAfter, marking: .shortTerm)
        fill(&currentReferences.ltCurr, marking: .longTerm)
    }

    private func makeUp(_ poc: Int32, _ layer: LayerState, _ active: ActiveParameterSets, isShown: Bool) -> DPBEntry {
        report.missingReferences += 1
        report.note("layer \(layer.layerId): reference picture POC \(poc) is missing")
        var info = OutputInfo()
        info.nuhLayerId = layer.layerId
        info.poc = poc
        info.window = active.sps.window
        info.accessUnit = accessUnitCount
        let sps = active.sps
        let picture: CodedPicture
        var isAffordable = true
        if let below = pictureBelow(poc, layer, sps), canConceal() {
            budget.spend(sps.format.lumaSamples)
            picture = Concealment.missingPicture(like: sps, poc: poc, from: below.entry.picture, by: below.reference)
            info.accessUnit = below.entry.output.accessUnit
        } else {
            isAffordable = canConceal()
            if isAffordable { budget.spend(sps.format.lumaSamples) }
            picture = standIns.picture(sps.format, poc: poc, showing: layer.dpb.nearest(to: poc))
        }
        let isOutput = (try? selection().isOutput(layer.layerId)) ?? false
        let needed = isShown && isOutput && isAffordable && poc > layer.lastOutputPoc
        if needed { report.concealedPictures += 1 }
        let entry = DPBEntry(
            picture: picture, poc: poc, neededForOutput: needed, isGenerated: true, temporalId: 0, output: info)
        layer.dpb.insert(entry)
        return entry
    }

    /// The picture of a direct reference layer in the access unit of a lost one, with what resamples it.
    private func pictureBelow(
        _ poc: Int32, _ layer: LayerState, _ sps: SequenceParameterSet
    ) -> (entry: DPBEntry, reference: InterLayerReference)? {
        for (id, reference) in layer.ilrp.sorted(by: { $0.key > $1.key })
        where reference.parameters.width == sps.picWidthInLumaSamples
            && reference.parameters.height == sps.picHeightInLumaSamples
        {
            if let entry = layers[id]?.dpb.entries.first(where: { $0.poc == poc && !$0.isGenerated }),
                entry.picture.frame.width == reference.parameters.refWidth,
                entry.picture.frame.height == reference.parameters.refHeight,
                (try? checkInterLayer(sps.format)) != nil, (try? checkInterLayer(entry.picture.frame.format)) != nil
            {
                return (entry, reference)
            }
        }
        return nil
    }
}
