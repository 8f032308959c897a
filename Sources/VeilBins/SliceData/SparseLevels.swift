// SPDX-License-Identifier: GPL-2.0-or-later

extension CodingTreeUnit {
    /// Gives the blocks of a record made for a writer the sparse coefficients that reconstruction takes: the non-zero `levels` of each
    /// coded block, in raster order. The record no longer serves a writer afterwards.
    package func fillSparse() {
        coefficientCount = 0
        for i in 0..<tuCount {
            let tu = tus + i
            if tu.pointee.cbf & 1 != 0 { fill(&tu.pointee.residual.0, Int(tu.pointee.log2TrafoSize)) }
            if tu.pointee.cbf & 2 != 0 { fill(&tu.pointee.residual.1, Int(tu.pointee.log2TrafoSizeC)) }
            if tu.pointee.cbf & 4 != 0 { fill(&tu.pointee.residual.2, Int(tu.pointee.log2TrafoSizeC)) }
        }
    }

    private func fill(_ block: inout ResidualBlock, _ log2: Int) {
        let dense = levels + Int(block.start)
        let count = 1 << (2 * log2)
        let first = coefficientCount
        var i = 0
        while i < count {
            // Blocks are multiples of four levels.
            if UnsafeRawPointer(dense + i).loadUnaligned(as: UInt64.self) != 0 {
                for k in i..<(i &+ 4) where dense[k] != 0 {
                    coefficients[coefficientCount] = CoefficientEntry(position: UInt16(truncatingIfNeeded: k), level: dense[k])
                    coefficientCount &+= 1
                }
            }
            i &+= 4
        }
        block.start = Int32(truncatingIfNeeded: first)
        block.count = Int32(truncatingIfNeeded: coefficientCount &- first)
    }
}
