// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// Writes the report of `veil evaluate`.
package enum EvaluationPage {
    /// The report in a folder: `report.html` and `report.json`. `pictures` go with the runs, in order.
    @discardableResult
    package static func write(
        _ report: EvaluationReport, pictures: [StreamEvaluation.Pictures], folder: String
    ) throws -> (html: String, json: String) {
        let files = try ReportFiles(folder: folder, page: page(report, pictures), model: report)
        return (files.html, files.json)
    }

    private static let structures = ["snr", "2x", "1.5x", "1", "stream"]
    private static let schemes = ["bl", "all", "el"]

    private static func page(_ report: EvaluationReport, _ pictures: [StreamEvaluation.Pictures]) -> Page {
        var page = Page(title: "Selective encryption of scalable HEVC: evaluation")
        page.paragraph(
            "Veil \(report.version) on \(report.machine). The experiment of \"Selective video encryption using "
                + "chaotic system in the SHVC "
                + "extension\" (Hamidouche et al., ICASSP 2015) on \(report.runs.count) streams. Figures of the paper "
                + "are marked by colour; "
                + "figures outside what the paper finds (luma PSNR without keys at most 10 dB for bl and all) are "
                + "marked too."
        )
        page.code([report.command])
        table1(&page, report)
        table2(&page, report)
        recognition(&page, report)
        variants(&page, report)
        for (i, run) in report.runs.enumerated() { details(&page, run, i < pictures.count ? pictures[i] : .init()) }
        definitions(&page)
        return page
    }

    // MARK: Tables

    private static func table1(_ page: inout Page, _ report: EvaluationReport) {
        page.heading("Table 1: quality without keys and encryption space")
        page.note(
            "Elements of the paper, chaotic generator. PSNR Y in dB of the highest layer, over the whole clip, "
                + "against the source (against the "
                + "clear decode for streams without one), mean over several keys and nonces; ES: encrypted bits in "
                + "percent of the stream's bits."
        )
        let head = ["", "orig. PSNR Y"] + schemes.flatMap { ["\($0) PSNR Y", "\($0) ES %"] }
        var rows: [[String]] = []
        for structure in structures {
            let runs = report.runs.filter { $0.structure == structure }
            if runs.isEmpty { continue }
            for run in runs {
                rows.append([run.title, number(run.original?.psnrY)] + cells(run))
            }
            if runs.count > 1 {
                rows.append(
                    [
                        "mean, \(EvaluationReport.Run.structureName(structure))",
                        number(mean(runs.compactMap { $0.original?.psnrY })),
                    ]
                        + schemes.flatMap { scheme -> [String] in
                            let cases = runs.compactMap { $0.find(scheme) }
                            return [
                                number(mean(cases.map { $0.mean(\.psnrY) })),
                                number(mean(cases.map(\.encryptionSpace))),
                            ]
                        })
            }
            for paper in PaperFigures.table1 where paper.structure == structure {
                rows.append(
                    ["=\(paper.label), \(EvaluationReport.Run.structureName(structure))", "=\(number(paper.original))"]
                        + schemes.flatMap { s in
                            ["=\(number(paper.schemes[s]?.psnr))", "=\(number(paper.schemes[s]?.space))"]
                        })
            }
        }
        page.table(head, rows)
        page.heading("Other measures of quality without keys", level: 3)
        page.table(
            ["", "scheme", "SSIM", "VIF", "EDR", "PSNR Cb", "PSNR Cr", "base layer PSNR Y", "base layer SSIM"],
            report.runs.flatMap { run in
                (run.original.map {
                    [
                        [
                            run.title, "clear", number($0.ssim, 3), number($0.vif, 3),
                            number($0.edgeDifferentialRatio, 3), number($0.psnrCb),
                            number($0.psnrCr), "–", "–",
                        ]
                    ]
                } ?? [])
                    + schemes.compactMap { run.find($0) }.map { c in
                        [
                            run.title, c.scheme, number(c.top.ssim, 3), number(c.top.vif, 3),
                            number(c.top.edgeDifferentialRatio, 3),
                            number(c.top.psnrCb), number(c.top.psnrCr), number(c.basePsnrY), number(c.baseSsim, 3),
                        ]
                    }
            })
    }

    private static func cells(_ run: EvaluationReport.Run) -> [String] {
        schemes.flatMap { scheme -> [String] in
            guard let c = run.find(scheme) else { return ["–", "–"] }
            let expected = PaperFigures.expects(scheme: scheme, structure: run.structure, psnr: c.mean(\.psnrY))
            return [(expected ? "" : "!") + number(c.mean(\.psnrY)), number(c.encryptionSpace)]
        }
    }

    private static func recognition(_ page: inout Page, _ report: EvaluationReport) {
        page.heading("Whether pictures are recognized")
        page.note(
            "Pictures without keys, as they stand; an attacker makes more of them (veil attack). "
                + Recognition.explanation)
        page.table(
            ["", "scheme", "elements"] + Recognition.head,
            report.runs.flatMap { run in
                run.cases.filter { $0.cipher == "chaotic" }.map {
                    [run.title, $0.scheme, $0.profile] + Recognition.cells($0.recognition)
                }
            })
    }

    private static func table2(_ page: inout Page, _ report: EvaluationReport) {
        page.heading("Table 2: encryption quality and Hamming distance")
        page.note(
            "Between the clear and the encrypted decode of the highest layer, luma bytes, mean over the frames and "
                + "the keys tried. EQ grows with the number of "
                + "samples, so it is also shown in percent of what it can be at most. HD of the base layer too: it is "
                + "what bl acts on."
        )
        var rows: [[String]] = []
        for run in report.runs {
            for scheme in schemes {
                guard let c = run.find(scheme) else { continue }
                rows.append([
                    run.title, scheme, number(c.mean(\.encryptionQuality), 0),
                    number(
                        100 * c.encryptionQualityShare * c.mean(\.encryptionQuality) / max(c.encryptionQuality, 1e-9), 1
                    ),
                    (c.scheme == "el" || (0.45...0.52).contains(c.mean(\.hammingDistance)) ? "" : "!")
                        + number(c.mean(\.hammingDistance), 3),
                    number(c.baseHammingDistance, 3),
                ])
            }
        }
        let largest = ByteMeasures.largestEncryptionQuality(samples: PaperFigures.table2Samples)
        for paper in PaperFigures.table2 {
            rows.append([
                "=paper, Traffic, \(EvaluationReport.Run.structureName(paper.structure))", "=\(paper.scheme)",
                "=\(number(paper.quality, 0))",
                "=\(number(100 * paper.quality / largest, 1))", "=\(number(paper.distance, 2))", "=–",
            ])
        }
        page.table(["", "scheme", "EQ", "EQ, % of most", "HD", "HD, base layer"], rows)
    }

    private static func variants(_ page: inout Page, _ report: EvaluationReport) {
        page.heading("What more elements and another cipher buy")
        page.table(
            [
                "", "scheme", "elements", "cipher", "PSNR Y", "lowest … highest", "SSIM", "VIF", "EDR", "ES %", "EQ",
                "HD", "size change, bytes", "messages, bytes",
            ],
            report.runs.flatMap { run in
                run.cases.map { c in
                    [
                        run.title, c.scheme, c.profile, c.cipher, number(c.mean(\.psnrY)), range(c),
                        number(c.top.ssim, 3), number(c.top.vif, 3),
                        number(c.top.edgeDifferentialRatio, 3), number(c.encryptionSpace),
                        number(c.mean(\.encryptionQuality), 0),
                        number(c.mean(\.hammingDistance), 3), (c.sizeChange > 0 ? "+" : "") + String(c.sizeChange),
                        String(c.messageBytes),
                    ]
                }
            })
        page.note(
            "PSNR, EQ and HD are means over \(report.runs.first?.cases.first?.draws.count ?? 1) keys and nonces; "
                + "lowest … highest shows how much of a "
                + "figure is the luck of one key. SSIM, VIF and EDR are of the first.")
        page.note(
            "Size change: emulation prevention bytes come and go with the encrypted bytes; nothing else moves. "
                + "Messages: the SEI units that tell "
                + "decryptors cipher, nonce and key id.")
        let damage = report.runs.flatMap(\.cases).reduce(0) { $0 + $1.damage }
        page.paragraph(
            damage == 0
                ? "Every encrypted stream was parsed to its end without an error."
                : "\(damage) slices or blocks of encrypted streams could not be parsed.")
    }

    private static func range(_ c: EvaluationReport.Case) -> String {
        let r = c.range(\.psnrY)
        return "\(number(r.low, 1)) … \(number(r.high, 1))"
    }

    // MARK: One stream

    private static func details(_ page: inout Page, _ run: EvaluationReport.Run, _ pictures: StreamEvaluation.Pictures)
    {
        page.heading(run.title)
        let layers = run.layers.map { "layer \($0.layer): \($0.width)x\($0.height), \($0.bytes) bytes" }.joined(
            separator: "; ")
        page.note("\(run.frames) frames, \(run.bitDepth) bit; \(layers); VIF, edges on \(run.detailFrames) frames")
        page.pictures(pictures.frames.map { ($0.caption, RGBImage($0.frame, width: 480)) })
        let shown = schemes.compactMap { run.find($0) }
        var series: [(name: String, values: [Double])] = []
        if let original = run.original { series.append(("clear", original.framePsnrY)) }
        series += shown.map { ($0.scheme, $0.top.framePsnrY) }
        var charts: [(caption: String, svg: String)] = [
            ("Luma PSNR per frame, highest layer", Chart.lines(series, x: "frame", y: "dB")),
            (
                "Luma histogram of the frame shown",
                Chart.histograms([("clear", run.clearHistogram)] + shown.map { ($0.scheme, $0.histogram) })
            ),
        ]
        let names = ["coeff-sign", "coeff", "mvd-sign", "mvd", "dqp-sign"]
        var parts: [String] = names
        for c in run.cases {
            for l in c.bits { for name in l.elements.keys.sorted() where !parts.contains(name) { parts.append(name) } }
        }
        let used = parts.filter { name in run.cases.contains { $0.bits.contains { ($0.elements[name] ?? 0) > 0 } } }
        let bars = run.cases.filter { $0.cipher == run.cases.first?.cipher }.map { c in
            (
                name: "\(c.scheme), \(c.profile)",
                parts: used.map { name in
                    100 * Double(c.bits.reduce(0) { $0 + ($1.elements[name] ?? 0) })
                        / Double(max(run.streamBytes * 8, 1))
                }
            )
        }
        charts.append(
            ("Encryption space by syntax element, % of the stream", Chart.bars(bars, parts: used, unit: " %")))
        for (i, pair) in pictures.neighbours.enumerated() where i < 3 {
            charts.append(
                (
                    "Horizontal neighbours, \(pair.name)",
                    Chart.scatter(pair.pairs, x: "sample", y: "next sample", colour: i)
                ))
        }
        page.charts(charts)
        page.table(
            ["adjacent samples", "horizontal", "vertical", "diagonal"],
            [["clear"] + run.clearCorrelation.map { number($0, 4) }]
                + shown.map { [$0.scheme] + $0.correlation.map { number($0, 4) } },
            caption: "Correlation of neighbours in the frame shown")
        page.details("Encrypted bits by element and layer") { inner in
            inner.table(
                ["scheme", "elements", "layer"] + used + ["all"],
                run.cases.filter { $0.cipher == run.cases.first?.cipher }.flatMap { c in
                    c.bits.map { l in
                        [c.scheme, c.profile, String(l.layer)] + used.map { String(l.elements[$0] ?? 0) } + [
                            String(l.total)
                        ]
                    }
                })
        }
        page.details("Commands that give the same by hand") { $0.code(run.commands) }
    }

    private static func definitions(_ page: inout Page) {
        page.heading("Definitions")
        page.list([
            "PSNR: from the mean squared error over all samples of the component in all frames; equal clips give 99 "
                + "dB.",
            "SSIM: Wang et al. 2004, luma, windows of 8x8 every 4 samples, uniform weights, mean over windows and "
                + "frames.",
            "VIF: pixel-domain visual information fidelity (Sheikh and Bovik 2006), luma, four scales, noise "
                + "variance 2.",
            "EDR: edge differential ratio, sum |P - P'| / sum |P + P'| over Sobel edge maps (|gx| + |gy| at least "
                + "\(EdgeMeasures.threshold) on the 8-bit "
                + "scale). 1 - EDR is the share of edges in common (Dice).",
            "ES: encrypted bits over all bits of the clear stream, all layers, parameter sets and start codes "
                + "included.",
            "EQ: (1/256) * sum over the 256 byte values of |count in the clear frame - count in the encrypted one|, "
                + "luma, mean over frames. The paper "
                + "does not say which components it counts; luma is assumed.",
            "HD: differing bits over all bits of the luma bytes of the clear and the encrypted frame, mean over "
                + "frames.",
            "Without keys: a standard decoder that ignores the encryption decodes the stream as it stands. For bl "
                + "and all both layers are hit; for el the "
                + "base layer stays clear.",
        ])
    }

    private static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}
