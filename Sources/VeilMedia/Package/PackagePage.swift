// SPDX-License-Identifier: GPL-2.0-or-later

/// A page that needs nothing but the files beside it: it plays the base layer where the browser can, and shows what is
/// there.
enum PackagePage {
    static func text(_ manifest: DASHManifest) -> String {
        let rows = manifest.representations.map { r in
            let needs =
                r.dependencies.isEmpty
                ? "nothing else" : "layers " + r.dependencies.map(String.init).joined(separator: ", ")
            let key = r.protection.map { "\($0.cipher), key \($0.keyId)" } ?? "clear"
            let cells = [
                "\(r.layer)\(r.content.name.map { " (\($0))" } ?? "")", "\(r.width)x\(r.height)",
                "\(r.bandwidth / 1000) kbit/s", r.codecs, needs, key,
            ]
            return "<tr>" + cells.map { "<td>\(DASHManifest.escaped($0))</td>" }.joined() + "</tr>"
        }.joined(separator: "\n")
        let base = manifest.representations[0]
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>Layers</title>
            <link rel="icon" href="data:,">
            <style>body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
            video{width:100%;background:#000}
            table{border-collapse:collapse;width:100%}
            td,th{border-bottom:1px solid #ccc;padding:.4em;text-align:left}</style>
            </head><body>
            <h1>Layers</h1>
            <video id="video" controls muted hidden></video>
            <p id="state">This page needs JavaScript to play the base layer.</p>
            <table><thead>
            <tr><th>layer</th><th>size</th><th>rate</th><th>codecs</th><th>needs</th><th>encryption</th></tr>
            </thead><tbody>
            \(rows)
            </tbody></table>
            <p>Manifest: <a href="manifest.mpd">manifest.mpd</a>. A layer's segments follow those of the layers that
            it needs.</p>
            <script>
            "use strict";
            const type = 'video/mp4; codecs="\(base.codecs)"', count = \(base.starts.count - 1);
            const state = document.getElementById("state"), video = document.getElementById("video");
            function say(text) { state.textContent = text; state.dataset.state = "said"; }
            if (!window.MediaSource || !MediaSource.isTypeSupported(type)) {
              say("This browser does not play HEVC (" + type + "); the layers below are there for players that do.");
            } else {
              const source = new MediaSource();
              video.hidden = false;
              video.src = URL.createObjectURL(source);
              source.addEventListener("sourceopen", async () => {
                try {
                  const buffer = source.addSourceBuffer(type);
                  for (let i = 0; i <= count; i++) {
                    const answer = await fetch(i == 0 ? "layer0-init.mp4" : "layer0-" + i + ".m4s");
                    if (!answer.ok) throw new Error("segment " + i + ": " + answer.status);
                    const bytes = await answer.arrayBuffer();
                    await new Promise((done, failed) => {
                      buffer.onupdateend = done; buffer.onerror = failed; buffer.appendBuffer(bytes);
                    });
                  }
                  source.endOfStream();
                  say("The base layer.");
                } catch (error) { say("The base layer cannot be played: " + error.message); }
              }, { once: true });
            }
            </script>
            </body></html>

            """
    }
}
