// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilRecon

/// Decoding state of one layer between pictures: POC, reference marking, the DPB (8.1.3, 8.3.1, 8.3.2).
final class LayerState {
    let layerId: Int
    var dpb = DecodedPictureBuffer()
    /// No picture at all yet.
    var isFirstPictureEver = true
    /// The IRAP picture that RASL pictures now belong to had NoRaslOutputFlag = 1: they are skipped.
    var skipsRasl = false
    /// The greatest POC put out since counts began anew.
    var lastOutputPoc = Int32.min
    /// The parameter sets of the last picture: size changes are seen by them.
    var active: ActiveParameterSets?
    var sps: SequenceParameterSet? { active?.sps }
    var ilrp: [Int: InterLayerReference] = [:]

    init(layerId: Int) { self.layerId = layerId }

    /// A POC reset (F.8.3.1) takes the same off all earlier pictures' counts.
    func decrementPocs(by decrement: Int32) {
        if decrement == 0 { return }
        for entry in dpb.entries { entry.decrementPoc(by: decrement) }
        if lastOutputPoc != .min { lastOutputPoc &-= decrement }
    }

    /// The reference picture sets of a picture that name something (8.3.2); nil entries are missing pictures.
    struct ReferenceSets {
        var stCurrBefore: [(entry: DPBEntry?, poc: Int32)] = []
        var stCurrAfter: [(entry: DPBEntry?, poc: Int32)] = []
        var ltCurr: [(entry: DPBEntry?, poc: Int32)] = []
    }

    /// Derives the RPS and marks all pictures of the DPB accordingly.
    func referenceSets(_ h: SliceSegmentHeader, poc: Int32, log2MaxLsb: Int) -> ReferenceSets {
        var sets = ReferenceSets()
        if h.nalUnitType.isIDR {
            for entry in dpb.entries { entry.marking = .unused }
            return sets
        }
        var kept: Set<ObjectIdentifier> = []
        let maxLsb = Int32(1) << Int32(log2MaxLsb)
        // Long-term pictures first: they may be any reference picture, and are marked so.
        var longTerm: [DPBEntry] = []
        for lt in h.longTermRefPics {
            var wanted = Int32(lt.pocLsbLt)
            if lt.deltaPocMsbPresentFlag {
                wanted =
                    wanted &+ poc &- Int32(truncatingIfNeeded: lt.deltaPocMsbCycleLt) &* maxLsb &- (poc & (maxLsb - 1))
            }
            let found = dpb.entries.first {
                $0.marking != .unused
                    && (lt.deltaPocMsbPresentFlag ? $0.poc == wanted : $0.poc & (maxLsb - 1) == wanted)
            }
            if let found {
                longTerm.append(found)
                kept.insert(ObjectIdentifier(found))
            }
            if lt.usedByCurrPicLt { sets.ltCurr.append((found, wanted)) }
        }
        func shortTerm(_ delta: Int) -> (DPBEntry?, Int32) {
            let wanted = poc &+ Int32(delta)
            let found = dpb.entries.first {
                $0.marking == .shortTerm && $0.poc == wanted && !kept.contains(ObjectIdentifier($0))
            }
            return (found, wanted)
        }
        var shortKept: Set<ObjectIdentifier> = []
        for (delta, used) in h.shortTermRefPicSet.s0 {
            let (entry, wanted) = shortTerm(delta)
            if let entry { shortKept.insert(ObjectIdentifier(entry)) }
            if used { sets.stCurrBefore.append((entry, wanted)) }
        }
        for (delta, used) in h.shortTermRefPicSet.s1 {
            let (entry, wanted) = shortTerm(delta)
            if let entry { shortKept.insert(ObjectIdentifier(entry)) }
            if used { sets.stCurrAfter.append((entry, wanted)) }
        }
        for entry in longTerm { entry.marking = .longTerm }
        for entry in dpb.entries
        where !kept.contains(ObjectIdentifier(entry)) && !shortKept.contains(ObjectIdentifier(entry)) {
            entry.marking = .unused
        }
        return sets
    }
}
