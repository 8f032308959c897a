// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// Text of a page with what HTML reserves made harmless.
func escaped(_ text: String) -> String {
    text.with("&amp;", for: "&").with("&lt;", for: "<").with("&gt;", for: ">").with("&quot;", for: "\"")
}

/// A number with a fixed count of decimals; a dash for what was not measured.
func number(_ value: Double?, _ decimals: Int = 2) -> String {
    guard let value, value.isFinite else { return "–" }
    return String(printf: "%.\(decimals)f", value)
}

/// One self-contained HTML page: styles inside, pictures as data, no script, nothing from a network. Narrow screens
/// scroll tables sideways and stack pictures.
struct Page {
    private var body = ""
    private let title: String

    init(title: String) { self.title = title }

    mutating func raw(_ html: String) { body += html + "\n" }
    mutating func heading(_ text: String, level: Int = 2) { raw("<h\(level)>\(escaped(text))</h\(level)>") }
    mutating func paragraph(_ text: String) { raw("<p>\(escaped(text))</p>") }
    mutating func note(_ text: String) { raw("<p class=\"note\">\(escaped(text))</p>") }
    mutating func list(_ items: [String]) { raw("<ul>" + items.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>") }
    mutating func code(_ lines: [String]) { raw("<pre>\(escaped(lines.joined(separator: "\n")))</pre>") }

    /// A table. Cells are text; one that begins with "!" is marked as out of the expected range, with "=" as a figure
    /// of the paper.
    mutating func table(_ head: [String], _ rows: [[String]], caption: String? = nil) {
        var html = "<div class=\"scroll\"><table>"
        if let caption { html += "<caption>\(escaped(caption))</caption>" }
        html += "<thead><tr>" + head.map { "<th>\(escaped($0))</th>" }.joined() + "</tr></thead><tbody>"
        for row in rows {
            html += "<tr>"
            for cell in row {
                switch cell.first {
                case "!": html += "<td class=\"out\">\(escaped(String(cell.dropFirst())))</td>"
                case "=": html += "<td class=\"paper\">\(escaped(String(cell.dropFirst())))</td>"
                default: html += "<td>\(escaped(cell))</td>"
                }
            }
            html += "</tr>"
        }
        raw(html + "</tbody></table></div>")
    }

    /// Pictures beside each other, as many as fit.
    mutating func pictures(_ items: [(caption: String, image: RGBImage)]) {
        var html = "<div class=\"pictures small\">"
        for item in items {
            let shown: String
            do {
                let data = Data(try item.image.jpeg()).base64EncodedString()
                shown =
                    "<img alt=\"\(escaped(item.caption))\" width=\"\(item.image.width)\" "
                    + "height=\"\(item.image.height)\" src=\"data:image/jpeg;base64,\(data)\">"
            } catch {
                // The figures of a long evaluation are not lost for want of a library.
                shown = "<p>\(escaped("\(error)"))</p>"
            }
            html += "<figure>\(shown)<figcaption>\(escaped(item.caption))</figcaption></figure>"
        }
        raw(html + "</div>")
    }

    /// Charts beside each other, as many as fit.
    mutating func charts(_ items: [(caption: String, svg: String)]) {
        raw(
            "<div class=\"pictures\">"
                + items.map { "<figure>\($0.svg)<figcaption>\(escaped($0.caption))</figcaption></figure>" }.joined()
                + "</div>")
    }

    /// What the reader may open.
    mutating func details(_ summary: String, _ content: (inout Page) -> Void) {
        var inner = Page(title: "")
        content(&inner)
        raw("<details><summary>\(escaped(summary))</summary>\n\(inner.body)</details>")
    }

    /// The whole file.
    var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(title))</title>
        <style>\(Self.style)</style></head>
        <body><main>
        <h1>\(escaped(title))</h1>
        \(body)</main></body></html>

        """
    }

    private static let style = """
        :root{color-scheme:light dark;--line:#d6d9de;--soft:#f2f4f7;--ink:#1d232b;--dim:#5c6672;
        --paper:#7a4d00;--out:#b3261e;--bg:#fff}
        @media(prefers-color-scheme:dark){:root{--line:#39414b;--soft:#20262d;--ink:#e4e8ed;--dim:#9aa5b1;
        --paper:#e0b060;--out:#ff8a80;--bg:#14181d}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,
        "Segoe UI",Roboto,sans-serif}
        main{max-width:1180px;margin:0 auto;padding:16px}
        h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.25rem;margin-top:2.2rem;
        border-bottom:1px solid var(--line);padding-bottom:.3rem}
        h3{font-size:1.05rem;margin-top:1.6rem}
        .note,figcaption,caption{color:var(--dim);font-size:.86rem}caption{text-align:left;padding-bottom:.3rem}
        .scroll{overflow-x:auto;-webkit-overflow-scrolling:touch;margin:.8rem 0}
        table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
        th,td{padding:.28rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
        th{background:var(--soft);position:sticky;top:0}th:first-child,td:first-child{text-align:left;
        white-space:normal;min-width:8.5em}
        td.paper{color:var(--paper)}td.out{color:var(--out)}
        .pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:12px;
        margin:.8rem 0}
        .small{grid-template-columns:repeat(auto-fit,minmax(min(48%,240px),1fr))}
        figure{margin:0;min-width:0}img{width:100%;height:auto;display:block;border-radius:3px;background:#888}
        svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font:11px system-ui,sans-serif}
        svg .axis{stroke:var(--dim);stroke-width:1}
        svg .grid{stroke:var(--line);stroke-width:1}
        pre{background:var(--soft);padding:.7rem;overflow-x:auto;font-size:.8rem;border-radius:4px}
        summary{cursor:pointer;margin:.6rem 0}
        """
}

/// Writes a page and its JSON twin into a folder that is there.
struct ReportFiles {
    let html: String
    let json: String

    init(folder: String, page: Page, model: some Encodable) throws {
        html = folder + "/report.html"
        json = folder + "/report.json"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let pageFile = try OutputFile(path: html)
        try pageFile.write(page.html.utf8)
        let jsonFile = try OutputFile(path: json)
        try jsonFile.write(try encoder.encode(model))
        try jsonFile.write("\n".utf8)
        try pageFile.finish()
        try jsonFile.finish()
    }
}
