// SPDX-License-Identifier: GPL-2.0-or-later
import VeilBitstream
import VeilCore
import VeilEntropy

/// Writes an encrypted stream again with pictures of the attacker's own in place of a layer's intra pictures, so that
/// the pictures predicted from them show what motion and prediction make of the guess. Of what else is encrypted in
/// that layer no residual is left.
enum PictureInjection {
    /// - Parameters:
    ///   - pictures: luma by layer and number in decoding order.
    ///   - stripped: layers whose residual is noise.
    ///   - hooks: what stands in place of encrypted bins.
    static func run(
        _ input: String, to output: String, pictures: [Int: [Int: SamplePlane]], stripped: Set<Int>,
        hooks: any BinHookProvider
    ) throws {
        let sink = try StreamWork.FileSink(path: output)
        let walk = SliceWalk()
        walk.layers = stripped
        walk.hooks = hooks
        walk.keepsHiddenSigns = false
        var current = (layer: -1, picture: -1)
        var made: SamplePlane?
        walk.change = { ctu, position in
            ctu.sao = SAOParameters()
            for i in 0..<ctu.cuCount { ctu.cus[i].cuQpDeltaVal = 0 }
            ResidualStripping.strip(ctu)
            guard let target = pictures[position.layer]?[position.picture] else { return }
            if current != (position.layer, position.picture) {
                current = (position.layer, position.picture)
                made = SamplePlane(width: position.width, height: position.height, value: 128)
            }
            if var plane = made.take(), plane.width == target.width, plane.height == target.height {
                code(target, in: ctu, position, &plane)
                made = plane
            }
        }
        walk.deliver = { try sink.put($0) }
        try StreamWork.units(input) { try walk.push($0) }
        try sink.finish()
    }

    /// Codes a CTU of `target` with the partition and directions that the CTU has.
    private static func code(
        _ target: SamplePlane, in ctu: CodingTreeUnit, _ position: SliceWalk.Position, _ made: inout SamplePlane
    ) {
        let step = IntraPicture.step(qp: position.sliceQp)
        for c in 0..<ctu.cuCount {
            let cu = ctu.cus[c]
            for t in Int(cu.firstTU)..<(Int(cu.firstTU) + Int(cu.tuCount)) where cu.predMode == .intra {
                let tu = ctu.tus + t
                let log2 = Int(tu.pointee.log2TrafoSize)
                let (x, y, n) = (Int(tu.pointee.x0), Int(tu.pointee.y0), 1 << log2)
                let mode = Int(cu.mode(ofPartition: tu.pointee.partition))
                var samples = made.prediction(x: x, y: y, log2Size: log2, mode: mode)
                var residual = samples
                for j in 0..<n { for i in 0..<n { residual[j * n + i] = target[x + i, y + j] - samples[j * n + i] } }
                let bypass = cu.cuTransquantBypassFlag
                let isSine = log2 == 2
                let coefficients =
                    bypass ? residual : TransformBasis.forward(residual, log2Size: log2, isSine: isSine)
                let start = ctu.levelCount
                var any = false
                var quantized = coefficients
                for i in coefficients.indices {
                    let level = (coefficients[i] / (bypass ? 1 : step)).rounded()
                    ctu.levels[start + i] = Int16(clamping: Int(level))
                    quantized[i] = level * (bypass ? 1 : step)
                    if level != 0 { any = true }
                }
                tu.pointee.transformSkip = 0
                if any {
                    tu.pointee.cbf = 1
                    tu.pointee.residual.0.start = Int32(start)
                    ctu.levelCount += n * n
                    let back =
                        bypass ? quantized : TransformBasis.inverse(quantized, log2Size: log2, isSine: isSine)
                    for i in samples.indices { samples[i] += back[i] }
                }
                made.put(samples, x: x, y: y, size: n)
            }
        }
    }
}
