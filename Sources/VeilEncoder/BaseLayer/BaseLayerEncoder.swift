// SPDX-License-Identifier: GPL-2.0-or-later
import CVeilKernels
import VeilBitstream
import VeilCore
import VeilEntropy
import VeilRecon
import VeilSystem

#if VEIL_X265
    import CX265
#endif
#if VEIL_X265_HOOK
    import CX265Hook
    import CX265Hook10
    #if VEIL_X265_HOOK12
        import CX265Hook12
    #endif
#endif

/// Why a base layer could not be coded.
public enum BaseLayerError: Error, Sendable, CustomStringConvertible {
    case unavailable
    case settings(String)
    case failed(String)

    public var description: String {
        switch self {
        case .unavailable:
            return "built without libx265: install its development package (libx265-dev) and build again to encode"
        case .settings(let reason): return reason
        case .failed(let reason): return "base layer: \(reason)"
        }
    }
}

/// A coded base layer picture in decoding order.
package struct BaseLayerPicture {
    /// Its access unit's NAL units (parameter sets included where they were repeated).
    package let nals: [NALUnit]
    /// Reconstruction, not yet published: its motion's references are missing.
    package let picture: CodedPicture
    /// Position in display order, counted over the whole clip.
    package let displayIndex: Int
    /// The unit that its bins were shown to hooks as (its first CTU's), to be compared with what the stream itself
    /// says.
    package var unit: BinUnit?
    /// Whether the picture's motion field holds the motion that was coded (at the corners of its 16x16 blocks).
    package var hasMotion = false
}

/// The base layer encoder: libx265.
package final class BaseLayerEncoder {
    /// Whether this build has an encoder.
    package static var isAvailable: Bool {
        #if VEIL_X265
            return true
        #else
            return false
        #endif
    }

    /// Whether libx265 is patched: encryption can run inside its own loop, and it codes pyramids of several levels.
    package static var hasHook: Bool {
        #if VEIL_X265_HOOK
            return true
        #else
            return false
        #endif
    }

    /// Whether this build takes pictures of 12 bits: not where libx265 is patched but for its encoder of these.
    package static var hasTwelveBits: Bool {
        #if VEIL_X265_HOOK && !VEIL_X265_HOOK12
            return false
        #else
            return isAvailable
        #endif
    }

    /// Whether that hook is shown every bypass-coded element, not just those of the paper.
    package static func hookShowsAll(bitDepth: Int) -> Bool {
        #if VEIL_X265_HOOK
            switch bitDepth {
            case 8: return veil_x265_bin_sites() >= 2
            case 10: return veil_x265_bin_sites10() >= 2
            default:
                #if VEIL_X265_HOOK12
                    return veil_x265_bin_sites12() >= 2
                #else
                    return false
                #endif
            }
        #else
            return false
        #endif
    }

    #if VEIL_X265
        private let encoder: OpaquePointer
        private let settings: BaseLayerSettings
        /// What pictures of 8 bits are narrowed into whose samples have two bytes.
        private var narrow: [UnsafeMutablePointer<UInt8>] = []
        #if VEIL_X265_HOOK
            private var hooks: BaseLayerHooks?
        #endif
        /// Size of the coded pictures, which is a multiple of the encoder's smallest coding block.
        private var codedWidth = 0
        private var isOpen = true
        private var codedHeight = 0
        private var ctbLog2Size = 6

        package init(settings: BaseLayerSettings) throws {
            self.settings = settings
            if settings.pyramid == true && !Self.hasHook {
                throw BaseLayerError.settings(
                    "pyramids of B pictures need libx265 patched: run `make x265-hook` and build again")
            }
            if settings.bitDepth > 10 && !Self.hasTwelveBits {
                throw BaseLayerError.settings("libx265's encoder of 12 bits is left out of this build")
            }
            let options = settings.allOptions
            let names = options.map { strdup($0.name) }
            let values = options.map { $0.value.map { strdup($0) } ?? nil }
            defer {
                for n in names { free(n) }
                for v in values { free(v) }
            }
            var reason = [CChar](repeating: 0, count: 256)
            let cNames = names.map { UnsafePointer<CChar>($0) }
            let cValues = values.map { UnsafePointer<CChar>($0) }
            // Sizes are whole chroma samples: others are shown with the samples that the source is padded with.
            let size = settings.chromaFormat.wholeSize(width: settings.width, height: settings.height)
            let opened = veil_x265_open(
                Int32(size.width), Int32(size.height), Int32(settings.fps.numerator), Int32(settings.fps.denominator),
                Int32(settings.bitDepth), Int32(settings.chromaFormat.rawValue), settings.preset, settings.tune,
                Int32(settings.pyramidLevels), cNames, cValues, Int32(cNames.count), &reason, reason.count)
            guard let opened else {
                throw BaseLayerError.settings(
                    String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            encoder = opened
            for nal in try headers() where nal.header.nalUnitType == .sps {
                let sps = try SequenceParameterSet(rbsp: nal.rbsp, nuhLayerId: 0)
                codedWidth = sps.picWidthInLumaSamples
                codedHeight = sps.picHeightInLumaSamples
                ctbLog2Size = sps.ctbLog2SizeY
            }
            #if VEIL_X265_HOOK
                hooks = try BaseLayerHooks(
                    provider: settings.hooks, encoder: veil_x265_handle(opened), bitDepth: settings.bitDepth,
                    width: codedWidth,
                    height: codedHeight, ctbLog2Size: ctbLog2Size)
            #endif
        }

        /// Ends libx265, which then gives the statistics of a first pass their names. Nothing is coded afterwards.
        package func close() {
            guard isOpen else { return }
            isOpen = false
            #if VEIL_X265_HOOK
                hooks?.remove()
            #endif
            veil_x265_close(encoder)
        }

        deinit {
            close()
            for plane in narrow { plane.deallocate() }
        }

        /// VPS, SPS and PPS.
        package func headers() throws -> [NALUnit] {
            var bytes: UnsafePointer<UInt8>?
            var size = 0
            guard veil_x265_headers(encoder, &bytes, &size) == 0, let bytes else {
                throw BaseLayerError.failed("libx265 gave no headers")
            }
            return try AnnexBReader.units(of: Array(UnsafeBufferPointer(start: bytes, count: size)))
        }

        /// Pushes the next picture in display order, or flushes with nil. Returns the next coded picture, if there is
        /// one yet.
        package func encode(_ source: FrameBuffer?) throws -> BaseLayerPicture? {
            guard isOpen else {
                if source == nil { return nil }
                throw BaseLayerError.failed("the stream has ended")
            }
            var out = veil_x265_output()
            let got: Int32
            if let source {
                var strides: [Int32] = []
                var planes: [UnsafeRawPointer?] = []
                for c in 0..<settings.chromaFormat.planeCount {
                    let plane = source.plane(c)
                    if settings.bitDepth == 8 && !plane.isNarrow {
                        if narrow.count == c { narrow.append(.allocate(capacity: plane.width * plane.height)) }
                        let to = narrow[c]
                        veil_narrow(
                            to, plane.width, plane.origin, plane.stride, Int32(plane.width), Int32(plane.height), 0)
                        planes.append(UnsafeRawPointer(to))
                        strides.append(Int32(plane.width))
                    } else {
                        planes.append(UnsafeRawPointer(plane.base))
                        strides.append(Int32(plane.stride * plane.bytesPerSample))
                    }
                }
                while planes.count < 3 {
                    planes.append(nil)
                    strides.append(0)
                }
                got = veil_x265_encode(encoder, planes, strides, &out)
            } else {
                got = veil_x265_encode(encoder, nil, nil, &out)
            }
            if got < 0 { throw BaseLayerError.failed("libx265 stopped with error \(got)") }
            if got == 0 { return nil }
            let nals = try AnnexBReader.units(of: Array(UnsafeBufferPointer(start: out.bytes, count: out.size)))
            #if VEIL_X265_HOOK
                let hooked = hooks?.finish(poc: Int(out.poc))
                var coded = BaseLayerPicture(
                    nals: nals, picture: reconstruction(out, motion: hooked?.motion), displayIndex: Int(out.poc))
                coded.unit = hooked?.unit
                coded.hasMotion = hooked != nil
                return coded
            #else
                return BaseLayerPicture(
                    nals: nals, picture: reconstruction(out, motion: nil), displayIndex: Int(out.poc))
            #endif
        }

        private func reconstruction(_ out: veil_x265_output, motion: MotionField?) -> CodedPicture {
            let depth = settings.bitDepth
            // Like the decoder's picture: with what lies outside the conformance window.
            let width = codedWidth
            let height = codedHeight
            let frame = FrameBuffer(
                PictureFormat(
                    width: width, height: height, bitDepthLuma: depth, bitDepthChroma: depth,
                    chromaFormat: settings.chromaFormat))
            let planes = [out.planes.0, out.planes.1, out.planes.2]
            let strides = [Int(out.strides.0), Int(out.strides.1), Int(out.strides.2)]
            for c in 0..<settings.chromaFormat.planeCount {
                let to = frame.plane(c)
                guard let from = planes[c] else { continue }
                if depth == 8 && !to.isNarrow {
                    veil_widen(
                        to.origin, to.stride, from.assumingMemoryBound(to: UInt8.self), strides[c], Int32(to.width),
                        Int32(to.height))
                } else {
                    veil_any_copy(
                        to.isNarrow, to.base, to.stride, from, strides[c] / to.bytesPerSample, Int32(to.width),
                        Int32(to.height))
                }
            }
            frame.extendMargins(lumaRows: 0..<height)
            return CodedPicture(
                frame: frame, motion: motion ?? MotionField(width: width, height: height, ctbLog2Size: ctbLog2Size))
        }
    #else
        package init(settings: BaseLayerSettings) throws { throw BaseLayerError.unavailable }
        package func headers() throws -> [NALUnit] { throw BaseLayerError.unavailable }
        package func encode(_ source: FrameBuffer?) throws -> BaseLayerPicture? { throw BaseLayerError.unavailable }
        package func close() {}
    #endif
}
