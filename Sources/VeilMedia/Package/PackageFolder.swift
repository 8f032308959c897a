// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The folder that a package is written to. Segments of another package beside the new ones would be taken for theirs,
/// and may show in the clear what is encrypted now: the folder is empty, or holds a package of ours, which goes when
/// the new one is whole. Whatever else is there stays.
final class PackageFolder {
    static let manifest = "manifest.mpd"
    static let page = "index.html"
    /// Of a manifest that is read.
    private static let longestManifest = 64 << 20

    let path: String
    /// Names of the files of the package that is there.
    private let old: Set<String>
    /// Where files are until all are made; nil before the first and after the last.
    private var staging: String?
    private var names: [String] = []
    /// Goes again where nothing comes of it.
    private let made: MadeFolder

    /// Makes the folder where there is none. Throws where it holds something else than a package.
    init(path: String) throws {
        self.path = path
        made = MadeFolder(path)
        let files: [String]
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            files = try FileManager.default.contentsOfDirectory(atPath: path)
        } catch { throw MediaError.writeFailed(path: path, reason: "the folder cannot be made") }
        guard !files.isEmpty else {
            old = []
            return
        }
        guard let listed = Self.files(ofPackage: path) else {
            throw MediaError.writeFailed(
                path: path, reason: "the folder is not empty, and what it holds is no package of ours")
        }
        old = listed.intersection(files)
        if let other = files.filter({ Self.isSegment($0) && !listed.contains($0) }).min() {
            throw MediaError.writeFailed(
                path: path, reason: "\(other) is not of the package there, and would look like one of the new")
        }
    }

    deinit {
        if let staging { try? FileManager.default.removeItem(atPath: staging) }
        made.removeIfEmpty()
    }

    /// The files that will go, or be written over.
    var replaced: [String] { old.sorted().map { path + "/" + $0 } }

    /// Writes a file, which appears with the others.
    func write(_ bytes: [UInt8], name: String) throws {
        if staging == nil {
            let made = path + "/.veil-" + String(UInt64.random(in: 0 ... .max), radix: 36)
            do { try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: false) } catch {
                throw MediaError.writeFailed(path: path, reason: "nothing can be written there")
            }
            staging = made
        }
        let file = try OutputFile(path: "\(staging ?? path)/\(name)")
        try file.write(bytes)
        try file.finish()
        names.append(name)
    }

    /// Puts the new package into the place of the old one. The manifest goes first and comes last: at no time does it
    /// name files of two.
    func finish() throws {
        guard let staging else { return }
        func check(_ status: Int32, _ name: String) throws {
            if status != 0 {
                throw MediaError.writeFailed(path: "\(path)/\(name)", reason: String(cString: strerror(errno)))
            }
        }
        let isManifest = { (name: String) in name == Self.manifest }
        for name in old.filter(isManifest) + old.filter({ !isManifest($0) }) {
            try check(unlink("\(path)/\(name)"), name)
        }
        for name in names.filter({ !isManifest($0) }) + names.filter(isManifest) {
            try check(rename("\(staging)/\(name)", "\(path)/\(name)"), name)
        }
        rmdir(staging)
        self.staging = nil
    }

    // MARK: What is there

    /// Whether a name is one that files of packages have.
    private static func isSegment(_ name: String) -> Bool {
        name.wholeMatch(of: /(layer|sound)[0-9]+-(init\.mp4|[0-9]+\.m4s)/) != nil
    }

    /// The files that a folder's manifest names, and the manifest; nil where it has none of ours.
    private static func files(ofPackage folder: String) -> Set<String>? {
        guard let file = OpenFile(forReadingAtPath: folder + "/" + manifest),
            let data = try? file.read(upToCount: longestManifest)
        else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard text.contains("xmlns:veil=\"urn:veil:selective-encryption:") else { return nil }
        var result: Set = [manifest, page]
        var name: Substring?
        var count = 0
        // Lines as `DASHManifest` writes them.
        for line in text.split(separator: "\n") {
            if let match = line.firstMatch(of: /initialization="((?:layer|sound)[0-9]+)-init\.mp4"/) {
                name = match.1
                count = 0
                result.insert("\(match.1)-init.mp4")
            } else if line.contains("<S t="), let name {
                count += 1
                result.insert("\(name)-\(count).m4s")
            }
        }
        return result
    }
}
