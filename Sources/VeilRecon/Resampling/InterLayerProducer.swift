// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilCore
import VeilEntropy
import VeilSystem

/// Fills an inter-layer reference picture piece by piece, when a block of the current picture first asks for the piece.
///
/// Vectors to a resampled reference are zero (a constraint of Annex H), so a CTU needs of it only the samples at its
/// own place: they are made by the thread that decodes the CTU, just before they are used, and never where nothing
/// refers to them. Another view's picture is none of those: vectors reach anywhere in it.
package final class InterLayerProducer: @unchecked Sendable {
    private let reference: InterLayerReference
    private let source: CodedPicture
    private let frame: FrameBuffer
    private let motion: MotionField
    private let hasMotion: Bool
    /// The picture *is* the source: equal sizes and depths.
    private let isAlias: Bool
    private let log2CtbSize: Int
    private let widthInCtbs: Int
    private let ctbCount: Int
    /// One byte a CTB; each is written by the thread that decodes the CTU.
    private let made: Buffer<UInt8>
    private let lock = Lock()
    private let motionRowsMade = Atomic<Int>(0)
    private let isWhole = Atomic<Bool>(false)
    private var mapping = InterLayerReference.MotionMapping.standard
    /// Tells producers apart for ever, which their addresses do not.
    let serial = InterLayerProducer.serials.wrappingAdd(1, ordering: .relaxed).newValue
    private static let serials = Atomic<Int>(0)

    private init(
        reference: InterLayerReference, source: CodedPicture, frame: FrameBuffer, motion: MotionField, hasMotion: Bool,
        isAlias: Bool,
        grid: CTBGrid
    ) {
        self.reference = reference
        self.source = source
        self.frame = frame
        self.motion = motion
        self.hasMotion = hasMotion
        self.isAlias = isAlias
        log2CtbSize = grid.log2CtbSize
        widthInCtbs = grid.widthInCtbs
        ctbCount = grid.count
        made = Buffer(repeating: 0, count: grid.count)
    }

    /// An inter-layer reference picture of the size of `grid` that takes what it needs from `source` as it goes.
    /// `isNarrow`: its samples have one byte, as those of the pictures predicted from it. `motion` off: the layers have
    /// no inter-layer motion prediction.
    package static func picture(
        _ reference: InterLayerReference, from source: CodedPicture, grid: CTBGrid, poc: Int32, bitDepthLuma: Int,
        bitDepthChroma: Int, isNarrow: Bool = false, motion wantsMotion: Bool
    ) -> CodedPicture {
        let p = reference.parameters
        precondition(
            p.width == grid.width && p.height == grid.height && p.refWidth == source.frame.width
                && p.refHeight == source.frame.height, "resampling of other picture sizes")
        // What stands in for a lost picture has no motion.
        let hasMotion = wantsMotion && source.motion !== MotionField.none
        let isAlias =
            p.isIdentity && source.frame.bitDepthLuma == bitDepthLuma && source.frame.bitDepthChroma == bitDepthChroma
            && source.frame.isNarrow == isNarrow
        let frame =
            isAlias
            ? source.frame
            : FrameBuffer(
                width: p.width, height: p.height, bitDepthLuma: bitDepthLuma, bitDepthChroma: bitDepthChroma,
                isNarrow: isNarrow, isPooled: false)
        let motion =
            isAlias && hasMotion
            ? source.motion
            : MotionField(
                width: p.width, height: p.height, ctbLog2Size: 4, log2Grid: 4, clears: false)
        let picture = CodedPicture(frame: frame, motion: motion)
        picture.poc = poc
        picture.producer = InterLayerProducer(
            reference: reference, source: source, frame: frame, motion: motion, hasMotion: hasMotion, isAlias: isAlias,
            grid: grid)
        return picture
    }

    /// Makes the samples that a block of the current picture is predicted from.
    @inline(__always)
    func prepare(mv: MotionVector, x: Int, y: Int, height: Int) {
        let ctb = (y &>> log2CtbSize) &* widthInCtbs &+ (x &>> log2CtbSize)
        if made[ctb] != 0 && mv.x | mv.y == 0 { return }
        make(ctb: ctb, mv: mv, bottom: y &+ height)
    }

    @inline(never)
    private func make(ctb: Int, mv: MotionVector, bottom: Int) {
        if mv.x | mv.y != 0 {
            if isAlias {
                // Another view. Filters reach four rows further.
                source.wait(rows: bottom + Int(mv.y) >> 2 + 8)
            } else {
                // No conforming stream does this; what it then reads should at least be the same each time.
                makeAll()
            }
            return
        }
        let x = (ctb % widthInCtbs) << log2CtbSize
        let y = (ctb / widthInCtbs) << log2CtbSize
        let width = min(1 << log2CtbSize, frame.width - x)
        let height = min(1 << log2CtbSize, frame.height - y)
        if isAlias {
            source.wait(rows: y + height)
        } else {
            reference.resample(
                source, frame.view, x: x, y: y, width: width, height: height, between: LinesBetweenPasses())
        }
        made[ctb] = 1
    }

    /// The planes in which a block with a vector `mv` finds its samples: those of the CTB at hand are made in the
    /// worker's own patch, which stays in its cache, and never become part of a whole picture. Nil where the whole
    /// picture serves.
    @inline(__always)
    func planes(mv: MotionVector, x: Int, y: Int, patches: InterLayerBlockCache) -> BufferView<Plane>? {
        if isAlias || mv.x | mv.y != 0 { return nil }
        let ctb = (y &>> log2CtbSize) &* widthInCtbs &+ (x &>> log2CtbSize)
        return patches.find(producer: serial, ctb: ctb) ?? patch(ctb, patches)
    }

    @inline(never)
    private func patch(_ ctb: Int, _ patches: InterLayerBlockCache) -> BufferView<Plane> {
        let x = (ctb % widthInCtbs) << log2CtbSize
        let y = (ctb / widthInCtbs) << log2CtbSize
        let planes = patches.next(producer: serial, ctb: ctb, x: x, y: y, frame: frame)
        reference.resample(
            source,
            FrameView(
                planes: (planes[0], planes[1], planes[2]), bitDepthLuma: frame.bitDepthLuma,
                bitDepthChroma: frame.bitDepthChroma),
            x: x, y: y,
            width: min(1 << log2CtbSize, frame.width - x), height: min(1 << log2CtbSize, frame.height - y),
            between: patches.between)
        return planes
    }

    /// Makes the whole picture and its margins.
    package func makeAll() {
        if isWhole.load(ordering: .acquiring) { return }
        lock.lock()
        defer { lock.unlock() }
        if isWhole.load(ordering: .relaxed) { return }
        if isAlias {
            source.wait(rows: frame.height)
        } else {
            reference.resampleAll(source, frame)
        }
        made.view.update(repeating: 1, count: ctbCount)
        isWhole.store(true, ordering: .releasing)
    }

    /// Whether decoders disagree about this picture's motion (``InterLayerReference/MotionMapping``).
    package var hasAmbiguousMotion: Bool { hasMotion && !isAlias && reference.hasOffsets }

    /// Has the motion made again, by a mapping. Not while the current picture is being decoded.
    package func remakeMotion(_ mapping: InterLayerReference.MotionMapping) {
        lock.lock()
        self.mapping = mapping
        motionRowsMade.store(0, ordering: .releasing)
        lock.unlock()
    }

    /// Makes the motion of luma rows 0 ..< `rows`.
    @inline(__always)
    func prepareMotion(rows: Int) {
        let wanted = (rows &+ 15) &>> 4
        if motionRowsMade.load(ordering: .acquiring) < wanted { makeMotion(wanted) }
    }

    @inline(never)
    private func makeMotion(_ wanted: Int) {
        lock.lock()
        defer { lock.unlock() }
        let made = motionRowsMade.load(ordering: .relaxed)
        let wanted = min(wanted, reference.motionRows)
        if made >= wanted { return }
        if hasMotion {
            source.wait(rows: reference.sourceRows(motionRow: wanted - 1, mapping))
            if !isAlias {
                if made == 0 { motion.slices = source.motion.slices }
                reference.resampleMotion(source.motion, motion, rows: made..<wanted, mapping)
            }
        } else if made == 0 {
            motion.clear()
        }
        motionRowsMade.store(wanted, ordering: .releasing)
    }
}
