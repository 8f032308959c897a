// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Charts as inline SVG. Colours stand out on light and dark grounds alike.
enum Chart {
    static let colours = ["#2f81f7", "#d1495b", "#2e9e6b", "#b8860b", "#8250df", "#5c6672", "#e07a2f", "#159ba8"]
    private static let width = 480.0
    private static let height = 240.0
    private static let left = 44.0
    private static let right = 10.0
    private static let top = 26.0
    private static let bottom = 30.0

    /// Lines over 0, 1, 2, …: one a series.
    static func lines(
        _ series: [(name: String, values: [Double])], x: String, y: String, range: ClosedRange<Double>? = nil
    ) -> String {
        let all = series.flatMap(\.values).filter(\.isFinite)
        let count = series.map(\.values.count).max() ?? 0
        guard count > 0, let low = all.min(), let high = all.max() else { return empty }
        let (from, to) =
            range.map { ($0.lowerBound, $0.upperBound) } ?? (
                (low / 5).rounded(.down) * 5, max((high / 5).rounded(.up) * 5, low + 5)
            )
        var svg = frame(x: x, y: y, from: from, to: to, labels: [(0, "0"), (1, String(count - 1))])
        for (i, line) in series.enumerated() {
            let points = line.values.enumerated().map { n, v in
                let px = left + (width - left - right) * (count > 1 ? Double(n) / Double(count - 1) : 0.5)
                return point(px, py(v, from, to))
            }
            let colour = colours[i % colours.count]
            if points.count == 1 {
                let p = points[0].split(separator: ",")
                svg += "<circle cx=\"\(p[0])\" cy=\"\(p[1])\" r=\"3\" fill=\"\(colour)\"/>"
            } else {
                svg +=
                    "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.8\" "
                    + "points=\"\(points.joined(separator: " "))\"/>"
            }
        }
        return wrap(svg + legend(series.map(\.name)))
    }

    /// Histograms of 256 values, each scaled to the highest count of all.
    static func histograms(_ series: [(name: String, counts: [Int])]) -> String {
        let high = Double(series.flatMap(\.counts).max() ?? 0)
        guard high > 0 else { return empty }
        var svg = frame(x: "luma value", y: "samples", from: 0, to: high, labels: [(0, "0"), (0.5, "128"), (1, "255")])
        for (i, one) in series.enumerated() {
            var points = [point(left, height - bottom)]
            for (v, count) in one.counts.enumerated() {
                points.append(point(left + (width - left - right) * Double(v) / 255, py(Double(count), 0, high)))
            }
            points.append(point(width - right, height - bottom))
            let colour = colours[i % colours.count]
            svg +=
                "<polygon fill=\"\(colour)\" fill-opacity=\"0.25\" stroke=\"\(colour)\" stroke-width=\"1.2\" "
                + "points=\"\(points.joined(separator: " "))\"/>"
        }
        return wrap(svg + legend(series.map(\.name)))
    }

    /// Stacked horizontal bars: one a row, with the parts named once.
    static func bars(_ rows: [(name: String, parts: [Double])], parts names: [String], unit: String) -> String {
        let high = rows.map { $0.parts.reduce(0, +) }.max() ?? 0
        guard high > 0 else { return empty }
        let rowHeight = 22.0
        let labelWidth = 132.0
        let legendRows = Double((names.count + 3) / 4)
        let total = 8 + rowHeight * Double(rows.count) + 16 * legendRows + 8
        var svg = ""
        for (i, row) in rows.enumerated() {
            let y = 4 + rowHeight * Double(i)
            svg +=
                "<text x=\"\(number(labelWidth - 6, 1))\" y=\"\(number(y + 14, 1))\" "
                + "text-anchor=\"end\">\(escaped(row.name))</text>"
            var x = labelWidth
            for (k, part) in row.parts.enumerated() {
                let w = (width - labelWidth - 52) * part / high
                svg +=
                    "<rect x=\"\(number(x, 1))\" y=\"\(number(y + 3, 1))\" width=\"\(number(w, 1))\" "
                    + "height=\"\(number(rowHeight - 6, 1))\" fill=\"\(colours[k % colours.count])\"/>"
                x += w
            }
            svg +=
                "<text x=\"\(number(x + 5, 1))\" "
                + "y=\"\(number(y + 14, 1))\">\(number(row.parts.reduce(0, +), 2))\(unit)</text>"
        }
        for (k, name) in names.enumerated() {
            let x = 8 + Double(k % 4) * 118
            let y = 8 + rowHeight * Double(rows.count) + 16 * Double(k / 4)
            svg +=
                "<rect x=\"\(number(x, 1))\" y=\"\(number(y, 1))\" width=\"10\" height=\"10\" "
                + "fill=\"\(colours[k % colours.count])\"/>"
            svg += "<text x=\"\(number(x + 14, 1))\" y=\"\(number(y + 9, 1))\">\(escaped(name))</text>"
        }
        return wrap(svg, height: total)
    }

    /// Pairs of values 0 ... 255 as dots.
    static func scatter(_ pairs: [(Int, Int)], x: String, y: String, colour: Int) -> String {
        guard !pairs.isEmpty else { return empty }
        var svg = frame(x: x, y: y, from: 0, to: 255, labels: [(0, "0"), (0.5, "128"), (1, "255")])
        svg +=
            "<path stroke=\"\(colours[colour % colours.count])\" stroke-opacity=\"0.55\" stroke-width=\"2.4\" "
            + "stroke-linecap=\"round\" d=\""
        for (a, b) in pairs {
            let at = point(left + (width - left - right) * Double(a) / 255, py(Double(b), 0, 255))
            svg += "M\(at.with(" ", for: ","))h0"
        }
        return wrap(svg + "\"/>")
    }

    private static let empty = "<svg viewBox=\"0 0 480 40\"><text x=\"8\" y=\"24\">nothing to show</text></svg>"

    private static func py(_ v: Double, _ from: Double, _ to: Double) -> Double {
        height - bottom - (height - top - bottom) * (min(max(v, from), to) - from) / max(to - from, 1e-9)
    }

    private static func point(_ x: Double, _ y: Double) -> String { String(printf: "%.1f,%.1f", x, y) }

    private static func frame(x: String, y: String, from: Double, to: Double, labels: [(Double, String)]) -> String {
        var svg = ""
        for i in 0...4 {
            let value = from + (to - from) * Double(i) / 4
            let at = number(py(value, from, to), 1)
            svg += "<line class=\"grid\" x1=\"\(left)\" x2=\"\(width - right)\" y1=\"\(at)\" y2=\"\(at)\"/>"
            let text = to - from >= 10000 ? String(printf: "%.0fk", value / 1000) : number(value, to - from < 4 ? 2 : 0)
            svg +=
                "<text x=\"\(left - 4)\" y=\"\(number(py(value, from, to) + 4, 1))\" text-anchor=\"end\">\(text)</text>"
        }
        svg +=
            "<line class=\"axis\" x1=\"\(left)\" x2=\"\(width - right)\" y1=\"\(height - bottom)\" "
            + "y2=\"\(height - bottom)\"/>"
        for (at, text) in labels {
            let px = left + (width - left - right) * at
            svg +=
                "<text x=\"\(number(px, 1))\" y=\"\(height - bottom + 14)\" "
                + "text-anchor=\"\(at == 0 ? "start" : at == 1 ? "end" : "middle")\">\(text)</text>"
        }
        svg +=
            "<text x=\"\(number((left + width - right) / 2, 1))\" y=\"\(height - 4)\" "
            + "text-anchor=\"middle\">\(escaped(x))</text>"
        return svg + "<text x=\"2\" y=\"10\">\(escaped(y))</text>"
    }

    private static func legend(_ names: [String]) -> String {
        var svg = ""
        let step = (width - 110) / Double(max(names.count, 1))
        for (i, name) in names.enumerated() {
            let x = 92 + step * Double(i)
            svg +=
                "<rect x=\"\(number(x, 1))\" y=\"2\" width=\"10\" height=\"10\" "
                + "fill=\"\(colours[i % colours.count])\"/>"
            svg += "<text x=\"\(number(x + 14, 1))\" y=\"11\">\(escaped(name))</text>"
        }
        return svg
    }

    private static func wrap(_ content: String, height: Double = Chart.height) -> String {
        "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\">\(content)</svg>"
    }
}
