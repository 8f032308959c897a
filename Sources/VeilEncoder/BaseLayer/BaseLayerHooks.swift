// SPDX-License-Identifier: GPL-2.0-or-later
#if VEIL_X265_HOOK
    import CX265Hook
    import CX265Hook10
    #if VEIL_X265_HOOK12
        import CX265Hook12
    #endif
    import VeilSystem
    import VeilBitstream
    import VeilCore
    import VeilEntropy
    import VeilRecon

    /// Takes what libx265's threads hand over: bins to one `BinHook` per substream being written, motion to the
    /// picture's motion field.
    ///
    /// libx265 writes rows of several pictures at the same time. It counts pictures in display order over the whole
    /// clip; which IRAP picture one belongs to follows from that count and the picture's type: leading pictures
    /// belong to the next IRAP picture in display order, all others to the last. IRAP pictures are announced before
    /// their rows are coded, and coding begins in decoding order, so that the one a picture belongs to is known by
    /// then; the encoder compares afterwards.
    final class BaseLayerHooks: @unchecked Sendable {
        /// A hook reachable from C for as long as its picture is being coded.
        private final class SubstreamHook {
            let hook: any BinHook
            init(_ hook: any BinHook) { self.hook = hook }
        }

        private final class Picture {
            let unit: BinUnit
            /// By substream.
            var lanes: [SubstreamHook?] = []
            var motion: MotionField?
            init(unit: BinUnit) { self.unit = unit }
        }

        private let provider: (any BinHookProvider)?
        private let width: Int
        private let height: Int
        private let ctbLog2Size: Int
        private let encoder: UnsafeMutableRawPointer
        private let bitDepth: Int
        private let lock = Lock()
        private var periods = DisplayOrderPeriods()
        private var pictures: [Int: Picture] = [:]

        /// `width`, `height`: coded luma size of the pictures.
        init(
            provider: (any BinHookProvider)?, encoder: UnsafeMutableRawPointer?, bitDepth: Int, width: Int, height: Int,
            ctbLog2Size: Int
        ) throws {
            guard let encoder else { throw BaseLayerError.failed("libx265 gave no encoder") }
            self.provider = provider
            self.width = width
            self.height = height
            self.ctbLog2Size = ctbLog2Size
            self.encoder = encoder
            self.bitDepth = bitDepth
            var hooks = veil_x265_hooks(
                user: Unmanaged.passUnretained(self).toOpaque(),
                begin_picture: { user, poc, type in
                    BaseLayerHooks.at(user)?.beginPicture(
                        poc: Int(poc), type: NALUnitType(rawValue: UInt8(truncatingIfNeeded: type)))
                },
                begin_ctu: { user, ctu in
                    guard let ctu else { return nil }
                    return BaseLayerHooks.at(user)?.beginCTU(ctu.pointee)
                },
                motion: { user, ctu, blocks, motion in
                    guard let ctu, let motion else { return }
                    BaseLayerHooks.at(user)?.store(motion, blocks: Int(blocks), of: ctu.pointee)
                },
                replace: { lane, run in
                    guard let lane, let run else { return 0 }
                    return Unmanaged<SubstreamHook>.fromOpaque(lane)._withUnsafeGuaranteedRef {
                        BaseLayerHooks.replace($0, run.pointee)
                    }
                })
            guard set(&hooks) == 0 else { throw BaseLayerError.failed("too many encoders with hooks at once") }
        }

        private func set(_ hooks: inout veil_x265_hooks) -> Int32 {
            switch bitDepth {
            case 8: return veil_x265_set_hooks(encoder, &hooks)
            case 10: return veil_x265_set_hooks10(encoder, &hooks)
            default:
                #if VEIL_X265_HOOK12
                    return veil_x265_set_hooks12(encoder, &hooks)
                #else
                    return -1
                #endif
            }
        }

        /// Before the encoder is closed.
        func remove() {
            switch bitDepth {
            case 8: veil_x265_remove_hooks(encoder)
            case 10: veil_x265_remove_hooks10(encoder)
            default:
                #if VEIL_X265_HOOK12
                    veil_x265_remove_hooks12(encoder)
                #endif
            }
        }

        private static func at(_ user: UnsafeMutableRawPointer?) -> BaseLayerHooks? {
            user.map { Unmanaged<BaseLayerHooks>.fromOpaque($0).takeUnretainedValue() }
        }

        private func beginPicture(poc: Int, type: NALUnitType) {
            guard type.isIRAP else { return }
            lock.withLock { periods.announce(irap: poc) }
        }

        private func unit(poc: Int, type: NALUnitType) -> BinUnit {
            let (period, pocDelta) = periods.period(of: poc, type: type)
            var unit = BinUnit(layer: 0, period: period, pocDelta: pocDelta, ctuAddress: 0, isIRAP: type.isIRAP)
            unit.ctbSize = 1 << ctbLog2Size
            return unit
        }

        private func store(_ motion: UnsafePointer<veil_x265_motion>, blocks: Int, of ctu: veil_x265_ctu) {
            let field: MotionField? = lock.withLock {
                let picture = begun(ctu)
                if let field = picture.motion { return field }
                let field = MotionField(width: width, height: height, ctbLog2Size: ctbLog2Size)
                picture.motion = field
                return field
            }
            guard let field else { return }
            let x0 = Int(ctu.x) >> 2
            let y0 = Int(ctu.y) >> 2
            for y in 0..<blocks where y0 + 4 * y < field.height4 {
                for x in 0..<blocks where x0 + 4 * x < field.width4 {
                    let m = motion[y * blocks + x]
                    var info = MotionInfo()
                    info.mv0 = MotionVector(x: m.mv.0.0, y: m.mv.0.1)
                    info.mv1 = MotionVector(x: m.mv.1.0, y: m.mv.1.1)
                    info.refIdx0 = m.ref_idx.0
                    info.refIdx1 = m.ref_idx.1
                    // Nothing but the corners of 16x16 blocks is ever read.
                    field.blocks[(y0 + 4 * y) * field.width4 + x0 + 4 * x] = info
                }
            }
        }

        /// The picture of a CTU; under the lock.
        private func begun(_ ctu: veil_x265_ctu) -> Picture {
            if let picture = pictures[Int(ctu.poc)] { return picture }
            let picture = Picture(
                unit: unit(poc: Int(ctu.poc), type: NALUnitType(rawValue: UInt8(truncatingIfNeeded: ctu.nal_unit_type)))
            )
            pictures[Int(ctu.poc)] = picture
            return picture
        }

        private func beginCTU(_ ctu: veil_x265_ctu) -> UnsafeMutableRawPointer? {
            guard let provider else { return nil }
            let index = Int(ctu.lane)
            let lane: SubstreamHook? = lock.withLock {
                let picture = begun(ctu)
                let known = index < picture.lanes.count ? picture.lanes[index] : nil
                guard ctu.begins != 0 else { return known }
                // A substream that is coded once more begins again.
                guard let lane = known ?? provider.makeHook(layer: 0).map(SubstreamHook.init) else { return nil }
                while picture.lanes.count <= index { picture.lanes.append(nil) }
                picture.lanes[index] = lane
                var unit = picture.unit
                unit.ctuAddress = Int(ctu.address)
                lane.hook.begin(unit)
                return lane
            }
            guard let lane else { return nil }
            lane.hook.beginCTU(address: Int(ctu.address), x: Int(ctu.x), y: Int(ctu.y))
            return Unmanaged.passUnretained(lane).toOpaque()
        }

        @inline(__always)
        private static func replace(_ lane: SubstreamHook, _ r: veil_bin_run) -> UInt32 {
            var run = BinRun(
                BinElement(rawValue: r.element) ?? .coeffSign, bins: r.bins, count: Int(r.count), value: r.value,
                riceParam: r.rice_param,
                baseLevel: r.base_level, prefix: r.prefix, flags: r.last_in_sub_block != 0 ? .lastInSubBlock : [],
                frozen: r.frozen)
            run.complete()
            return lane.hook.replace(run)
        }

        /// The picture has left the encoder: its hooks go. Returns the unit it was coded as (of pictures shown to
        /// hooks or with motion), and its motion (nil: none, all intra).
        func finish(poc: Int) -> (unit: BinUnit?, motion: MotionField?) {
            lock.withLock {
                let picture = pictures.removeValue(forKey: poc)
                return (picture?.unit, picture?.motion)
            }
        }
    }
#endif
