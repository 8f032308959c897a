// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore
import VeilRecon

/// What stands in for lost CTUs and pictures: samples of the nearest picture at hand, or mid-grey, and no motion.
enum Concealment {
    /// Fills every CTB that was not reconstructed. Returns how many there were.
    static func fill(_ reconstruction: PictureReconstruction, from source: CodedPicture?) -> Int {
        let grid = reconstruction.grid
        var count = 0
        for rs in 0..<grid.count where !reconstruction.isReconstructed(ctb: rs) {
            count += 1
            let x = (rs % grid.widthInCtbs) << grid.log2CtbSize
            let y = (rs / grid.widthInCtbs) << grid.log2CtbSize
            let width = min(1 << grid.log2CtbSize, grid.width - x)
            let height = min(1 << grid.log2CtbSize, grid.height - y)
            copy(reconstruction.picture, source, x: x, y: y, width: width, height: height)
        }
        return count
    }

    private static func copy(_ picture: CodedPicture, _ source: CodedPicture?, x: Int, y: Int, width: Int, height: Int)
    {
        let frame = picture.frame
        let usable = source.flatMap { s in
            s.frame.width == frame.width && s.frame.height == frame.height && s.frame.bitDepthLuma == frame.bitDepthLuma
                ? s : nil
        }
        if let producer = usable?.producer {
            producer.makeAll()
        } else {
            usable?.wait(rows: y + height)
        }
        for cIdx in 0..<3 {
            let shift = cIdx == 0 ? 0 : 1
            let to = frame.plane(cIdx)
            for row in (y >> shift)..<((y + height) >> shift) {
                let target = to.at(x >> shift, row)
                if let usable {
                    target.update(from: usable.frame.plane(cIdx).at(x >> shift, row), count: width >> shift)
                } else {
                    target.update(repeating: UInt16(1 << (frame.bitDepth(cIdx) - 1)), count: width >> shift)
                }
            }
        }
        let motion = picture.motion
        for row in (y >> 2)..<((y + height + 3) >> 2) {
            (motion.blocks + row * motion.width4 + (x >> 2)).update(repeating: MotionInfo(), count: (width + 3) >> 2)
        }
    }

    /// A picture for a missing reference (8.3.3): mid-grey, or the samples of `source`.
    static func missingReference(like sets: ActiveSets, poc: Int32, source: CodedPicture?) -> CodedPicture {
        let picture = blank(sets, poc)
        copy(picture, source, x: 0, y: 0, width: picture.frame.width, height: picture.frame.height)
        picture.frame.extendMargins(lumaRows: 0..<picture.frame.height)
        picture.publishAll()
        return picture
    }

    /// A picture for one that was lost, from the picture of a lower layer in its access unit.
    static func missingPicture(
        like sets: ActiveSets, poc: Int32, from source: CodedPicture, by reference: InterLayerReference
    ) -> CodedPicture {
        let picture = blank(sets, poc)
        guard reference.parameters.width == picture.frame.width, reference.parameters.height == picture.frame.height
        else {
            return missingReference(like: sets, poc: poc, source: nil)
        }
        reference.resampleAll(source, picture.frame)
        picture.publishAll()
        return picture
    }

    private static func blank(_ sets: ActiveSets, _ poc: Int32) -> CodedPicture {
        let sps = sets.sps
        let picture = CodedPicture(
            frame: FrameBuffer(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, bitDepthLuma: sps.bitDepthY,
                bitDepthChroma: sps.bitDepthC),
            motion: MotionField(
                width: sps.picWidthInLumaSamples, height: sps.picHeightInLumaSamples, ctbLog2Size: sps.ctbLog2SizeY))
        picture.poc = poc
        return picture
    }
}
