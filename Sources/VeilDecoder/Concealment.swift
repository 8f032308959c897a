// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilBitstream
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
        let usable = source?.frame.format == frame.format ? source : nil
        if let producer = usable?.producer {
            producer.makeAll()
        } else {
            usable?.wait(rows: y + height)
        }
        for cIdx in 0..<frame.chromaFormat.planeCount {
            let shiftX = frame.chromaFormat.shiftX(cIdx)
            let shiftY = frame.chromaFormat.shiftY(cIdx)
            let to = frame.plane(cIdx)
            let place = (x >> shiftX, y >> shiftY)
            let size = (Int32(width >> shiftX), Int32(height >> shiftY))
            if let from = usable?.frame.plane(cIdx) {
                veil_any_copy(
                    frame.isNarrow, to.address(place.0, place.1), to.stride, from.address(place.0, place.1),
                    from.stride, size.0, size.1)
            } else {
                frame.fillWithGrey(cIdx, x: place.0, y: place.1, width: size.0, height: size.1)
            }
        }
        let motion = picture.motion
        for row in (y >> 2)..<((y + height + 3) >> 2) {
            (motion.blocks + row * motion.width4 + (x >> 2)).update(repeating: MotionInfo(), count: (width + 3) >> 2)
        }
    }

    /// A picture for one that was lost, from the picture of a lower layer in its access unit.
    static func missingPicture(
        like sps: SequenceParameterSet, poc: Int32, from source: CodedPicture, by reference: InterLayerReference
    ) -> CodedPicture {
        let picture = CodedPicture(frame: FrameBuffer(sps.format), motion: .none)
        picture.poc = poc
        reference.resampleAll(source, picture.frame)
        picture.publishAll()
        return picture
    }
}

/// Pictures that stand in for lost ones (8.3.3) and cost next to nothing: what they show belongs to another picture,
/// or is the one grey picture of their format. They have no motion.
struct StandIns {
    /// The last grey picture made.
    private var grey: CodedPicture?

    /// Shows `source` where that is of the format, and mid-grey otherwise.
    mutating func picture(_ format: PictureFormat, poc: Int32, showing source: CodedPicture?) -> CodedPicture {
        let shown: CodedPicture
        if let source, source.frame.format == format { shown = source } else { shown = greyPicture(format) }
        let picture = CodedPicture(showing: shown)
        picture.poc = poc
        return picture
    }

    private mutating func greyPicture(_ format: PictureFormat) -> CodedPicture {
        if let grey, grey.frame.format == format { return grey }
        let frame = FrameBuffer(format)
        for cIdx in 0..<format.chromaFormat.planeCount {
            let plane = frame.plane(cIdx)
            frame.fillWithGrey(cIdx, x: 0, y: 0, width: Int32(plane.width), height: Int32(plane.height))
        }
        frame.extendMargins(lumaRows: 0..<frame.height)
        let picture = CodedPicture(frame: frame, motion: .none)
        picture.publishAll()
        grey = picture
        return picture
    }
}

/// How many samples a stream may have made up for it. What comes in pays for them, so that what a few bytes ask for
/// stays in proportion: a stream that has used up its allowance gets nothing more made up, or put out.
struct ConcealmentBudget {
    /// What a byte pays for: a picture of 1920x1088 takes 510 of them.
    static let samplesPerByte = 4096
    private(set) var samples = 1 << 26

    mutating func earn(bytes: Int) { samples = min(samples + bytes * Self.samplesPerByte, 1 << 40) }
    mutating func spend(_ count: Int) { samples -= count }
    var isExhausted: Bool { samples < 0 }
}

extension FrameBuffer {
    /// Fills a part of a component with samples in the middle of their range.
    fileprivate func fillWithGrey(_ cIdx: Int, x: Int, y: Int, width: Int32, height: Int32) {
        let plane = plane(cIdx)
        veil_any_fill(isNarrow, plane.address(x, y), plane.stride, 1 << (Int32(bitDepth(cIdx)) - 1), width, height)
    }
}
