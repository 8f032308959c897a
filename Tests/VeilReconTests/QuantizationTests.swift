// SPDX-License-Identifier: GPL-2.0-or-later
import Testing
import VeilCore
import VeilEntropy

@testable import VeilRecon

@Suite struct QuantizationTests {
    @Test func chromaTable() {
        // Table 8-10.
        let table = [29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37]
        for q in -12...57 {
            let wanted = q < 30 ? q : q >= 43 ? q - 6 : table[q - 30]
            #expect(QuantizationParameters.qpC(q) == wanted)
        }
        #expect(QuantizationParameters.qpChroma(qpY: -12, offset: -5, bitDepthChroma: 10) == 0)
        #expect(QuantizationParameters.qpChroma(qpY: 51, offset: 12, bitDepthChroma: 10) == 63)
        #expect(QuantizationParameters.qpChroma(qpY: 37, offset: 0, bitDepthChroma: 8) == 34)
    }

    @Test func deltaWrapsAround() {
        #expect(QuantizationParameters.qpY(prediction: 50, cuQpDeltaVal: 4, bitDepthLuma: 8) == 2)
        #expect(QuantizationParameters.qpY(prediction: 2, cuQpDeltaVal: -4, bitDepthLuma: 8) == 50)
        #expect(QuantizationParameters.qpY(prediction: 2, cuQpDeltaVal: -14, bitDepthLuma: 10) == -12)
        #expect(QuantizationParameters.qpY(prediction: -12, cuQpDeltaVal: -1, bitDepthLuma: 10) == 51)
        #expect(QuantizationParameters.qpY(prediction: 26, cuQpDeltaVal: 0, bitDepthLuma: 8) == 26)
    }

    private func slice(_ grid: CTBGrid, address: Int, qp: Int, wpp: Bool = false) -> SliceContext {
        var k = SliceConstants(SliceParameters(grid: grid))
        k.parameters.sliceAddrRs = address
        k.parameters.sliceQpY = qp
        k.parameters.entropyCodingSyncEnabledFlag = wpp
        return SliceContext(constants: k)
    }

    @Test func previousAtTheStartOfACTU() {
        // 5 x 3 CTBs of 16, the last column 8 wide, the last row 8 high; QpY of a cell is its index modulo 50.
        let grid = CTBGrid(width: 72, height: 40, log2CtbSize: 4, columnWidths: [2, 3], rowHeights: [3])
        let picture = PictureReconstruction(grid: grid)
        for i in 0..<picture.maps.width8 * picture.maps.height8 { picture.maps.qpY[i] = Int8(i % 50) }
        let plain = slice(grid, address: 0, qp: 33)
        let maps = picture.maps
        // First CTB of the slice, of the second tile.
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 0, slice: plain, maps: maps) == 33)
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 2, slice: plain, maps: maps) == 33)
        // After CTB 0 (8x8 cell (1, 1)); the CTB after a row's end in the second tile follows CTB 4, one cell wide:
        // (8, 1).
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 1, slice: plain, maps: maps) == 9 + 1)
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 7, slice: plain, maps: maps) == 9 + 8)
        // In the last row, one cell high: CTB 13 follows CTB 12, cell (5, 4).
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 13, slice: plain, maps: maps) == 4 * 9 + 5)
        // A slice that begins at CTB 6; WPP: rows of each tile begin anew, CTB 8 follows CTB 7, cell (5, 3).
        #expect(
            QuantizationParameters.previousQpY(ctbAddrRs: 6, slice: slice(grid, address: 6, qp: 20), maps: maps) == 20)
        let wpp = slice(grid, address: 0, qp: 21, wpp: true)
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 7, slice: wpp, maps: maps) == 21)
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 5, slice: wpp, maps: maps) == 21)
        #expect(QuantizationParameters.previousQpY(ctbAddrRs: 8, slice: wpp, maps: maps) == 3 * 9 + 5)
    }

    @Test func predictionFromNeighboursInTheCTB() {
        let grid = CTBGrid(width: 64, height: 64, log2CtbSize: 5)
        let picture = PictureReconstruction(grid: grid)
        for i in 0..<64 { picture.maps.qpY[i] = Int8(i % 50) }
        let maps = picture.maps
        func predict(_ x: Int, _ y: Int) -> Int {
            QuantizationParameters.prediction(xQg: x, yQg: y, ctbMask: 31, previous: 40, maps: maps)
        }
        #expect(predict(32, 32) == 40)
        // Left cell (4, 4) = 36, up outside.
        #expect(predict(40, 32) == (36 + 40 + 1) / 2)
        // Up cell (4, 4) = 36, left outside.
        #expect(predict(32, 40) == (40 + 36 + 1) / 2)
        // Left (4, 5) = 44, up (5, 4) = 37.
        #expect(predict(40, 40) == (44 + 37 + 1) / 2)
    }
}
