// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon

// What a picture refers to: inter-layer reference pictures (H.8.1.4) and reference picture lists (8.3.4).
extension Decoder {
    func prepareInterLayer(_ h: SliceSegmentHeader, _ decoding: PictureDecoding, _ layer: LayerState) throws {
        let sps = decoding.sets.sps
        let vps = sets.videoParameterSet(id: sps.spsVideoParameterSetId)
        if !h.refPicLayerId.isEmpty { try checkInterLayer(sps.format) }
        for id in h.refPicLayerId {
            let type = vps?.dependencyType(of: h.nuhLayerId, on: id) ?? (samples: true, motion: true)
            guard let source = accessUnit[id] else {
                report.missingReferences += 1
                report.note(
                    "layer \(h.nuhLayerId), POC \(decoding.picture.poc): no picture of layer \(id) in the access unit")
                // The others keep their places in the list.
                decoding.interLayer.append(
                    standIns.picture(
                        sps.format, poc: decoding.picture.poc, showing: layer.dpb.nearest(to: decoding.picture.poc)))
                continue
            }
            try checkInterLayer(source.frame.format)
            let parameters = ResamplingParameters(
                refWidth: source.frame.width, refHeight: source.frame.height, width: sps.picWidthInLumaSamples,
                height: sps.picHeightInLumaSamples,
                offsets: decoding.sets.pps.refLocOffsets.first { $0.refLocOffsetLayerId == id })
            guard parameters.isValid else {
                throw SyntaxError.outOfRange(element: "scaled_ref_layer_offset", value: parameters.scaledRefRegionWidth)
            }
            if layer.ilrp[id]?.parameters != parameters { layer.ilrp[id] = InterLayerReference(parameters: parameters) }
            guard let reference = layer.ilrp[id] else { continue }
            decoding.interLayer.append(
                InterLayerProducer.picture(
                    reference, from: source, grid: decoding.sets.grid, poc: decoding.picture.poc,
                    bitDepthLuma: sps.bitDepthY, bitDepthChroma: sps.bitDepthC,
                    isNarrow: decoding.picture.frame.isNarrow, motion: type.motion))
        }
    }

    /// Throws formats that are decoded in layers of their own only: resampling knows 4:2:0 of up to 10 bits.
    func checkInterLayer(_ format: PictureFormat) throws {
        func unsupported(_ element: String, _ value: Int) -> SyntaxError {
            .unsupported(element: element + " of a layer predicted from another, or of that one,", value: value)
        }
        if format.chromaFormat != .yuv420 {
            throw unsupported("chroma_format_idc", Int(format.chromaFormat.rawValue))
        }
        if format.bitDepthLuma > 10 { throw unsupported("bit_depth_luma_minus8", format.bitDepthLuma - 8) }
        if format.bitDepthChroma > 10 { throw unsupported("bit_depth_chroma_minus8", format.bitDepthChroma - 8) }
    }

    func makeContext(
        _ h: SliceSegmentHeader, _ parameters: SliceParameters, _ decoding: PictureDecoding, _ layer: LayerState
    ) -> SliceContext {
        let sets = decoding.sets
        return SliceContext(
            h,
            constants: SliceConstants(
                parameters, sps: sets.sps, pps: sets.pps, header: h, scalingFactors: sets.scalingFactors),
            sliceIndex: decoding.sliceCount, currPoc: decoding.picture.poc
        ) { resolve($0, decoding, layer) }
    }

    /// The picture behind a reference list entry; a made-up one where it is missing.
    func resolve(
        _ source: SliceSegmentHeader.ReferenceSource, _ decoding: PictureDecoding, _ layer: LayerState
    ) -> CodedPicture? {
        let format = decoding.sets.sps.format
        func standIn(poc: Int32) -> CodedPicture {
            standIns.picture(format, poc: poc, showing: decoding.concealment)
        }
        func entry(_ list: inout [(entry: DPBEntry?, poc: Int32)], _ i: Int) -> CodedPicture? {
            guard i < list.count else { return standIn(poc: decoding.picture.poc) }
            if let found = list[i].entry, found.picture.frame.format == format { return found.picture }
            report.missingReferences += 1
            report.note(
                "layer \(layer.layerId), POC \(decoding.picture.poc): reference picture POC \(list[i].poc) is missing")
            let poc = list[i].poc
            let picture = standIn(poc: poc)
            let made = DPBEntry(
                picture: picture, poc: poc, neededForOutput: false, isGenerated: true, temporalId: 0,
                output: OutputInfo())
            layer.dpb.insert(made)
            list[i].entry = made
            return picture
        }
        switch source {
        case .stCurrBefore(let i): return entry(&currentReferences.stCurrBefore, i)
        case .stCurrAfter(let i): return entry(&currentReferences.stCurrAfter, i)
        case .ltCurr(let i): return entry(&currentReferences.ltCurr, i)
        case .interLayer(let i):
            return i < decoding.interLayer.count
                ? decoding.interLayer[i] : standIn(poc: decoding.picture.poc)
        }
    }
}
