// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// Writes the report of `veil attack`, and its pictures of their own size into the folder `pictures`.
package enum AttackPage {
    @discardableResult
    package static func write(
        _ report: AttackReport, pictures: Attack.Pictures, folder: String
    ) throws -> (html: String, json: String) {
        let files = try ReportFiles(folder: folder, page: page(report, pictures), model: report)
        let shown = pictures.attempts.map { (caption: $0.caption, image: RGBImage($0.frame)) } + pictures.maps
        try FileManager.default.createDirectory(atPath: folder + "/pictures", withIntermediateDirectories: true)
        for (i, picture) in shown.enumerated() {
            let name = picture.caption.map { $0.isLetter || $0.isNumber ? $0 : "-" }
            let file = try OutputFile(path: folder + "/pictures/" + String(printf: "%02d-", i) + String(name) + ".png")
            try file.write(picture.image.png())
            try file.finish()
        }
        return (files.html, files.json)
    }

    private static func page(_ r: AttackReport, _ pictures: Attack.Pictures) -> Page {
        var page = Page(title: "What someone without the key gets")
        page.paragraph(
            "Veil \(r.version) on \(r.machine). \(r.clip): \(r.width)x\(r.height), \(r.frames) frames, layers "
                + "\(r.layers)\(r.qp.isEmpty ? "" : ", QP \(r.qp)"). "
                + "The attacker knows everything but the keys: the format, the encryption rule, the encoder.")
        page.code([r.command])
        page.heading("Encrypted elements replaced")
        page.note(
            "Against the clear decode of the highest layer. Noise hurts more than nothing: an attacker first throws "
                + "the noise out. Constants: signs "
                + "positive, suffixes zero. Means: suffixes in the middle of their class. Residual zeroed: predictions "
                + "alone, in the encrypted layers. Signs by smoothness: those that let blocks go on where their "
                + "neighbours end. " + Recognition.explanation
                + (r.means.contains { $0.all.count > 1 }
                    ? " Means over \(r.means[0].all.count) keys; edges from key to key in brackets." : "")
        )
        page.table(
            ["scheme", "elements", "attack", "PSNR Y", "SSIM", "VIF", "edge similarity"] + Recognition.head,
            r.means.map { a, all in
                var cells = Recognition.cells(a.recognition)
                let edges = all.compactMap { $0.recognition?.edges }
                if all.count > 1 { cells[3] += " (\(number(edges.min(), 3)) to \(number(edges.max(), 3)))" }
                return [
                    a.scheme, a.profile, a.attack, number(a.psnrY), number(a.ssim, 3), number(a.vif, 3),
                    number(a.edgeSimilarity, 3),
                ] + cells
            })
        page.pictures(pictures.attempts.map { ($0.caption, RGBImage($0.frame, width: 480)) })
        page.heading("What the structure shows")
        page.note(
            "Block sizes, modes and the number of coefficients of every block are not encrypted, in any scheme or "
                + "profile. The maps are drawn from the "
                + "encrypted stream: brightness is coefficients a sample, lines are coding units. Over 8x8 blocks: "
                + "correlation with the clear "
                + "picture's gradient, and how many of the blocks with edges are among as many blocks of most "
                + "coefficients, beside chance."
        )
        page.table(
            ["picture", "correlation", "edge blocks found", "by chance"],
            r.structures.map {
                [$0.picture, number($0.correlation, 3), number($0.edgeSimilarity, 3), number($0.chance, 3)]
            })
        page.pictures(pictures.maps)
        page.table(
            ["sketch", "--hide", "drawn from"] + Recognition.head,
            r.drawings.map {
                ["layer \($0.layer), \($0.isIntra ? "intra" : "inter")", String($0.hiding), $0.source]
                    + Recognition.cells($0.recognition)
            })
        page.heading("More elements replaced")
        page.note(
            "Scheme all, maximal elements, and others replaced by noise before, so that slices are coded again: what "
                + "an encryption that did so would cost, and leave. Rank 1, mean rank and edges of the decoded "
                + "pictures, and of the best sketch from what is not replaced.")
        page.table(
            ["replaced", "increase, %", "decoded", "sketch of intra pictures", "of others"],
            r.replaced.map {
                [
                    $0.elements, number($0.increase), short($0.seen), short($0.intra?.recognition, $0.intra?.source),
                    short($0.inter?.recognition, $0.inter?.source),
                ]
            })
        page.heading("Pictures hidden")
        page.note(
            "Scheme all, maximal elements, and pictures sealed whole: 1, IRAP pictures; 2, those of the lowest "
                + "temporal sub-layer too; 3, all. Sizes with messages and stand-ins. What is left to see stands in "
                + "the tables above.")
        page.table(
            ["--hide", "bytes", "clear", "increase, %"],
            r.hidden.map { [String($0.level), String($0.bytes), String($0.clearBytes), number($0.increase)] })
        page.heading("One bit of the key")
        page.table(
            ["cipher", "bit flipped", "encrypted bits that change, %", "refused as wrong", "PSNR Y when forced"],
            r.keyBits.map {
                [$0.cipher, String($0.bit), number(100 * $0.changed, 2), $0.refused ? "yes" : "!no", number($0.psnrY)]
            })
        page.heading("Key space")
        page.list([
            "Layer keys have 128 to 256 bits. The keystream key of a stream is HKDF-SHA-256 of layer key and nonce; "
                + "the stream carries a 64-bit check value, so a "
                + "guess of the layer key can be tested offline at the cost of one HKDF. That leaves exhaustive search "
                + "at the size of the layer key.",
            "The chaotic generator has 127 bits of state (two maps of 32, registers of 32 and 31) and 61 bits of "
                + "parameters: 188 bits at most whatever the key. Its "
                + "maps are piecewise linear and its registers linear over GF(2); no argument says that recovering "
                + "them is as hard as trying all.",
            "aes-128-ctr: 2^128; aes-256-ctr and chacha20: 2^256.",
        ])
        if !r.reuse.isEmpty {
            page.heading("A nonce used twice")
            page.note(
                "Two clips under one key and nonce. The attacker knows one of them in the clear (a drawn clip), "
                    + "recovers the keystream of every unit from it, and "
                    + "applies it to the other. With the chaotic generator's feedback only the first value of a unit "
                    + "keeps an unknown start."
            )
            page.table(
                [
                    "cipher", "frames known", "encrypted bits", "within reach, %", "right, %", "PSNR Y before",
                    "PSNR Y after", "SSIM after",
                ],
                r.reuse.map {
                    [
                        $0.cipher, String($0.frames), String($0.bits), number(100 * $0.reached, 2),
                        number(100 * $0.right, 2), number($0.psnrBefore),
                        number($0.psnrAfter), number($0.ssimAfter, 3),
                    ]
                })
            page.pictures(pictures.reuse.map { ($0.caption, RGBImage($0.frame, width: 480)) })
        }
        page.heading("Conclusions")
        page.list(conclusions(r))
        return page
    }

    private static func short(_ r: Recognition?, _ source: String? = nil) -> String {
        guard let r else { return "" }
        return (source.map { "\($0): " } ?? "") + "\(number(100 * r.rankOne, 0)) % (rank \(number(r.meanRank, 1))), "
            + "edges \(number(r.edges, 3)), unrelated \(number(r.unrelatedEdges, 3))"
    }

    /// What follows, with this stream's figures. The best attack is the one whose pictures are found most often and
    /// whose edges are nearest: a grey picture scores well in SSIM where the clear one is smooth, and shows nothing.
    package static func conclusions(_ r: AttackReport) -> [String] {
        func best(_ scheme: String) -> AttackReport.Attempt? {
            func score(_ a: AttackReport.Attempt) -> Double {
                a.recognition.map { $0.rankOne + $0.edgesAboveChance } ?? a.edgeSimilarity
            }
            return r.means.map(\.attempt).filter { $0.scheme == scheme }.max { score($0) < score($1) }
        }
        func text(_ a: AttackReport.Attempt?) -> String {
            guard let a else { return "not tried" }
            let found = a.recognition.map {
                ", found first among \($0.gallery) in \(number(100 * $0.rankOne, 0)) % of pictures, edges "
                    + "\(number($0.edges, 3)) beside \(number($0.unrelatedEdges, 3)) of unrelated pictures"
            }
            return "\(a.attack), \(a.profile) elements: SSIM \(number(a.ssim, 3))\(found ?? "")"
        }
        var lines: [String] = []
        if r.attempts.contains(where: { $0.scheme == "all" }) {
            lines.append(
                "all: spoils colour, texture and brightness (best attack here, \(text(best("all")))). It keeps people "
                    + "from watching with pleasure. It does not hide who or what is in a picture: outlines and faces "
                    + "in intra pictures are drawn by what is not encrypted, and more clearly by guessing signs.")
        }
        let sketch = r.drawings.filter { $0.hiding == 0 && $0.source == SketchSource.combined.rawValue }
        for drawing in sketch {
            lines.append(
                "What is not encrypted, layer \(drawing.layer), \(drawing.isIntra ? "intra" : "inter") pictures: found "
                    + "first among \(drawing.recognition.gallery) in "
                    + "\(number(100 * drawing.recognition.rankOne, 0)) % of pictures.")
        }
        if r.attempts.contains(where: { $0.scheme == "bl" }) {
            lines.append(
                "bl: the cheapest; the enhancement layer's own residual, motion and modes are in the clear, and "
                    + "setting the base to grey shows the detail that the "
                    + "enhancement layer adds (best attack here, \(text(best("bl")))). Good to deter viewing; not for "
                    + "confidentiality."
            )
        }
        if r.attempts.contains(where: { $0.scheme == "el" }) {
            lines.append(
                "el: the base layer is in the clear and is the preview it is meant to be (best attack here, "
                    + "\(text(best("el")))). Good to sell quality; it hides nothing of the content."
            )
        }
        lines.append(
            "maximal elements add a little to what is encrypted and change nothing of what the structure shows. Hidden "
                + "pictures (--hide) show nothing; what the others show, they show.")
        lines.append(
            "A nonce must never be used twice with one key, whatever the cipher. Where secrecy counts take AES or "
                + "ChaCha20, and a transport cipher over all of it."
        )
        return lines
    }
}
