// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Which regular file a path leads to, whatever its spelling and through whatever links: two names of one file have
/// equal identities.
public struct FileIdentity: Hashable, Sendable {
    private let device: UInt64
    /// Of the file, or of the folder that it would be made in.
    private let inode: UInt64
    /// What the file would be called, where it is not there yet.
    private let name: String?

    private init?(_ info: stat, name: String? = nil) {
        guard name != nil || info.st_mode & S_IFMT == S_IFREG else { return nil }
        device = UInt64(truncatingIfNeeded: info.st_dev)
        inode = UInt64(truncatingIfNeeded: info.st_ino)
        self.name = name
    }

    /// Nil for devices, pipes and folders, and where the path leads nowhere.
    public init?(path: String) {
        var info = stat()
        if stat(path, &info) == 0 {
            self.init(info)
            return
        }
        let (folder, name) = Self.split(path)
        guard !name.isEmpty, stat(folder, &info) == 0 else { return nil }
        self.init(info, name: name)
    }

    /// Of an open file; nil where that is no regular one.
    public init?(descriptor: Int32) {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { return nil }
        self.init(info)
    }

    /// The folder that a path is in, "." for a bare name, and the rest.
    static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let folder = String(path[..<slash])
        return (folder.isEmpty ? "/" : folder, String(path[path.index(after: slash)...]))
    }
}
