// SPDX-License-Identifier: GPL-2.0-or-later
import VeilCore

/// How many neighbouring samples of a block are available for intra prediction (6.4.1 as 8.4.4.2.2 uses it), in
/// samples of the component.
package struct IntraAvailability: Equatable {
    package var corner = false
    /// Beside the block: all of it or nothing.
    package var left = 0
    package var top = 0
    /// Below the left column and beyond the top row: 0 ... block size, less where the picture ends.
    package var bottomLeft = 0
    package var topRight = 0
    package init() {}

    /// `x`, `y`, `size`: luma position and luma size (for chroma: of the luma area it covers, at least 8); `shift` is
    /// 1 for 4:2:0 chroma.
    @inline(__always)
    package init(_ c: BlockContext, x: Int, y: Int, size: Int, shift: Int) {
        self.init(c, x: x, y: y, width: size, height: size, shiftX: shift, shiftY: shift)
    }

    /// The same of any chroma format: a block of 4:2:2 covers a luma area twice as wide as high.
    @inline(__always)
    package init(_ c: BlockContext, x: Int, y: Int, width: Int, height: Int, shiftX: Int, shiftY: Int) {
        let mask = c.ctbMask
        let xIn = x & mask
        let yIn = y & mask
        let n = width &>> shiftX
        let hasLeft = xIn != 0 || c.neighbours.hasLeft
        let hasTop = yIn != 0 || c.neighbours.hasUp
        left = hasLeft ? n : 0
        top = hasTop ? n : 0
        if xIn != 0 {
            corner = yIn != 0 || c.neighbours.hasUp
        } else {
            corner = yIn != 0 ? c.neighbours.hasLeft : c.neighbours.hasUpLeft
        }
        let current = ZScan.index(xIn &>> 2, yIn &>> 2)
        // Above and to the right.
        let xNext = xIn &+ width
        var has: Bool
        if yIn == 0 {
            has = xNext <= mask ? c.neighbours.hasUp : c.neighbours.hasUpRight
        } else {
            has = xNext <= mask && ZScan.index(xNext &>> 2, (yIn &- 1) &>> 2) < current
        }
        topRight = has ? max(0, min(n, (c.width &- x &- width) &>> shiftX)) : 0
        // Below and to the left.
        let yNext = yIn &+ height
        if yNext > mask {
            has = false
        } else if xIn == 0 {
            has = c.neighbours.hasLeft
        } else {
            has = ZScan.index((xIn &- 1) &>> 2, yNext &>> 2) < current
        }
        bottomLeft = has ? max(0, min(n, (c.height &- y &- height) &>> shiftY)) : 0
    }
}
