// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilSystem

/// A file that is being made beside the one whose name it will take. Its name is random, and it is made only where
/// nothing has that name, so that no link that somebody planted is followed; it goes when the program is ended by a
/// signal.
package final class TemporaryFile {
    /// The name it will have.
    let target: String
    package let path: String
    /// -1 once it is closed.
    private(set) var descriptor: Int32
    private var slot: Int?

    /// - Parameter mode: permissions of the file where none had the name; an existing one's are kept, and its owner
    ///   where the system lets us.
    package init(replacing target: String, mode: mode_t = 0o644) throws {
        self.target = target
        var old: stat?
        var info = stat()
        if lstat(target, &info) == 0 {
            if info.st_mode & S_IFMT == S_IFLNK {
                throw MediaError.writeFailed(
                    path: target, reason: "it is a symbolic link: name the file that it leads to")
            }
            if access(target, W_OK) != 0 {
                throw MediaError.writeFailed(path: target, reason: String(cString: strerror(errno)))
            }
            old = info
        }
        var made: (path: String, descriptor: Int32)?
        for _ in 0..<100 {
            let name = "\(target).part\(String(UInt64.random(in: 0 ... .max), radix: 36))"
            // Readable by nobody else until it has the permissions of the file that it replaces.
            let opened = open(
                name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, old == nil ? mode : 0o600)
            if opened >= 0 {
                made = (name, opened)
                break
            }
            if errno != EEXIST { break }
        }
        guard let made else {
            throw MediaError.writeFailed(path: target, reason: String(cString: strerror(errno)))
        }
        (path, descriptor) = made
        slot = UnfinishedFiles.add(path)
        if let old {
            let isOwned = fchown(descriptor, old.st_uid, old.st_gid) == 0
            _ = fchmod(descriptor, old.st_mode & (isOwned ? 0o7777 : 0o777))
        }
    }

    deinit { discard() }

    /// Gives it its name.
    package func finish() throws {
        if descriptor >= 0 {
            let failed = close(descriptor) != 0
            descriptor = -1
            if failed {
                let reason = String(cString: strerror(errno))
                discard()
                throw MediaError.writeFailed(path: target, reason: reason)
            }
        }
        guard let slot else { return }
        guard rename(path, target) == 0 else {
            let reason = String(cString: strerror(errno))
            discard()
            throw MediaError.writeFailed(path: target, reason: reason)
        }
        UnfinishedFiles.remove(slot)
        self.slot = nil
    }

    /// Removes it, unless it is finished.
    private func discard() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        guard let slot else { return }
        unlink(path)
        UnfinishedFiles.remove(slot)
        self.slot = nil
    }
}

/// Names of the files that a signal's handler removes: in memory of their own that stays, since a handler can neither
/// allocate nor wait for a lock.
enum UnfinishedFiles {
    private static let count = 64
    private static let longest = 4096
    private nonisolated(unsafe) static let names: UnsafeMutablePointer<CChar> = {
        let memory = UnsafeMutablePointer<CChar>.allocate(capacity: count * longest)
        memory.initialize(repeating: 0, count: count * longest)
        return memory
    }()
    private static let used = Mutex([Bool](repeating: false, count: count))

    /// Makes sure that the memory is there before a handler asks for it.
    static func prepare() { _ = names }

    static func add(_ path: String) -> Int {
        // Of more files than have a place the others stay if the program is killed.
        let bytes = Array(path.utf8CString)
        let slot = used.withLock { used -> Int? in
            guard bytes.count <= longest, let free = used.firstIndex(of: false) else { return nil }
            used[free] = true
            return free
        }
        guard let slot else { return count }
        let name = names + slot * longest
        // The first character last: until then there is no name.
        for i in bytes.indices.dropFirst() { name[i] = bytes[i] }
        name[0] = bytes[0]
        return slot
    }

    static func remove(_ slot: Int) {
        guard slot < count else { return }
        names[slot * longest] = 0
        used.withLock { $0[slot] = false }
    }

    /// For a signal's handler.
    static func unlinkAll() {
        for slot in 0..<count where names[slot * longest] != 0 { unlink(names + slot * longest) }
        // Folders that these files were in.
        for slot in 0..<count where names[slot * longest] != 0 { rmdir(names + slot * longest) }
    }
}
