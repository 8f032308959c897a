// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// A folder that nobody else can put anything into, for a library that makes files by names of its own. What it made is
/// moved out when it is whole; the rest goes with the folder, also when the program is ended by a signal.
package final class PrivateFolder {
    private let path: String
    private let names: [String]
    private var slots: [Int]

    /// - Parameters:
    ///   - target: a path beside which the folder is made.
    ///   - names: of the files that may come to be in it.
    package init(beside target: String, names: [String]) throws {
        var template = Array("\(target).partXXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw MediaError.writeFailed(path: target, reason: String(cString: strerror(errno)))
        }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.path = path
        self.names = names
        slots = names.map { UnfinishedFiles.add("\(path)/\($0)") } + [UnfinishedFiles.add(path)]
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
        for slot in slots { UnfinishedFiles.remove(slot) }
    }

    package func path(of name: String) -> String { "\(path)/\(name)" }

    package func has(_ name: String) -> Bool { access(path(of: name), F_OK) == 0 }

    /// Gives a file its name outside. A link of that name is replaced, not followed.
    package func move(_ name: String, to target: String) throws {
        guard rename(path(of: name), target) == 0 else {
            throw MediaError.writeFailed(path: target, reason: String(cString: strerror(errno)))
        }
    }
}
