// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream

extension ColourDescription {
    /// `colr`, `pasp`, `mdcv` and `clli` of a sample entry (ISO/IEC 14496-12, 12.1.4 to 12.1.7).
    func boxes(into w: inout BoxWriter) {
        if primaries != nil || transfer != nil || matrix != nil || isFullRange != nil {
            w.box("colr") {
                $0.fourCC("nclx")
                $0.u16(primaries ?? 2)
                $0.u16(transfer ?? 2)
                $0.u16(matrix ?? 2)
                $0.u8(isFullRange == true ? 0x80 : 0)
            }
        }
        if let sampleAspect, sampleAspect.width != sampleAspect.height {
            w.box("pasp") {
                $0.u32(sampleAspect.width)
                $0.u32(sampleAspect.height)
            }
        }
        if let masteringDisplay {
            w.box("mdcv") {
                for (i, number) in masteringDisplay.numbers.enumerated() { i < 8 ? $0.u16(number) : $0.u32(number) }
            }
        }
        if let contentLight {
            w.box("clli") {
                $0.u16(contentLight.maximum)
                $0.u16(contentLight.average)
            }
        }
    }
}
