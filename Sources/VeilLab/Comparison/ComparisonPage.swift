// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Writes the report of `veil compare`.
package enum ComparisonPage {
    @discardableResult
    package static func write(_ report: ComparisonReport, folder: String) throws -> (html: String, json: String) {
        let files = try ReportFiles(folder: folder, page: page(report), model: report)
        return (files.html, files.json)
    }

    private static func page(_ r: ComparisonReport) -> Page {
        var page = Page(title: "Encryption in the loop and around it")
        page.paragraph(
            "Veil \(r.version) on \(r.machine). \(r.clip): \(r.width)x\(r.height), \(r.frames) frames, layers "
                + "\(r.layers), QP \(r.qp), scheme \(r.scheme), "
                + "\(r.profile) elements, \(r.cipher). \(r.rounds) rounds; in each, every step runs once, one after "
                + "the other."
        )
        page.code([r.command])
        page.paragraph(
            r.inLoopEqualsPostHoc
                ? "Encryption in the loop (a) and after it (b) wrote the same bytes."
                : "Encryption in the loop (a) and after it (b) differ from byte \(r.firstDifference ?? 0) on.")
        page.heading("Cost")
        page.note(
            "From the source clip to the finished stream, every step included: median (lowest … highest). Ratios are "
                + "to the clear encode of the same round."
        )
        page.table(
            ["", "wall, s", "CPU, s", "wall ratio", "CPU ratio", "peak memory, MB", "CPU of the further steps, s"],
            r.methods.map { m in
                [
                    "(\(m.id)) \(m.name)", text(m.wallSeconds, 2), text(m.cpuSeconds, 2), text(m.wallRatio, 3),
                    text(m.cpuRatio, 3),
                    number(m.peakBytes.median / 1e6, 0), m.stepCpuSeconds.map { text($0, 2) } ?? "–",
                ]
            })
        page.charts([
            (
                "CPU seconds to the finished stream, median",
                Chart.bars(r.methods.map { ($0.id, [$0.cpuSeconds.median]) }, parts: ["CPU seconds"], unit: " s")
            )
        ])
        page.heading("Delay and size")
        let clear = r.methods.first?.bytes ?? 0
        page.table(
            ["", "added to a picture, ms", "pictures waited for", "bytes", "against clear"],
            r.methods.map { m in
                [
                    "(\(m.id)) \(m.name)", text(m.addedMilliseconds, 2), String(m.addedPictures), String(m.bytes),
                    (m.bytes >= clear ? "+" : "") + String(m.bytes - clear),
                ]
            })
        page.note(
            "Added time: for (a) the difference of the encodes over the number of pictures; for the others the time "
                + "of the further steps over the "
                + "number of pictures, starting the program included. Pictures waited for: (b) knows that a picture is "
                + "complete when the next begins; (d) waits as "
                + "long as its second encoder looks ahead and reorders.")
        page.heading("What a middlebox without keys can do")
        page.table(
            [
                "", "parse all bins", "ffmpeg takes the base layer", "extract the base layer", "drop sub-layers",
                "dropped", "the owner then sees the same",
            ],
            r.methods.map { m in
                let c = m.middlebox
                return [
                    "(\(m.id)) \(m.name)", yes(c.parses), yes(c.foreignDecoder), yes(c.extractsBaseLayer),
                    yes(c.dropsSubLayers), c.dropped,
                    yes(c.ownerSeesTheSame),
                ]
            })
        page.note(
            "Each was tried on the stream itself. After (c) units of upper layers can still be dropped by their NAL "
                + "unit headers, but no parameter set can be read: "
                + "what is left is of no use to anyone without the key, and nothing that needs a size, a picture type "
                + "or a slice header works."
        )
        page.heading("Commands")
        page.code(
            Array(r.methods.flatMap(\.commands).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }))
        return page
    }

    private static func text(_ s: ComparisonReport.Spread, _ decimals: Int) -> String {
        "\(number(s.median, decimals)) (\(number(s.low, decimals)) … \(number(s.high, decimals)))"
    }

    private static func yes(_ value: Bool?) -> String { value.map { $0 ? "yes" : "no" } ?? "–" }
}
