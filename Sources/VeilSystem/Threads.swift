// SPDX-License-Identifier: GPL-2.0-or-later

private final class Work {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Threads of the system, for what waits or takes long.
package enum SystemThread {
    /// Begins a thread that ends by itself.
    /// - Parameter stackSize: bytes; nil is the system's default.
    package static func start(stackSize: Int? = nil, _ run: @escaping @Sendable () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        if let stackSize { pthread_attr_setstacksize(&attributes, stackSize) }
        let work = Unmanaged.passRetained(Work(run))
        #if canImport(Darwin)
            var thread: pthread_t?
            let status = pthread_create(&thread, &attributes, { beginThread($0) }, work.toOpaque())
        #else
            var thread = pthread_t()
            let status = pthread_create(&thread, &attributes, { beginThread($0!) }, work.toOpaque())
        #endif
        // Whoever waits for what it does would wait for ever.
        guard status == 0 else { fatalError("no thread can be begun: \(String(cString: strerror(status)))") }
    }
}

private func beginThread(_ work: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    Unmanaged<Work>.fromOpaque(work).takeRetainedValue().run()
    return nil
}

/// A value that each thread has for itself, until it ends.
package final class ThreadValue<Value: AnyObject>: @unchecked Sendable {
    private var key = pthread_key_t()

    package init() {
        #if canImport(Darwin)
            pthread_key_create(&key) { Unmanaged<AnyObject>.fromOpaque($0).release() }
        #else
            pthread_key_create(&key) { $0.map { Unmanaged<AnyObject>.fromOpaque($0).release() } }
        #endif
    }

    package var value: Value? {
        get { pthread_getspecific(key).map { Unmanaged<Value>.fromOpaque($0).takeUnretainedValue() } }
        set {
            let old = pthread_getspecific(key)
            pthread_setspecific(key, newValue.map { UnsafeRawPointer(Unmanaged.passRetained($0).toOpaque()) })
            if let old { Unmanaged<Value>.fromOpaque(old).release() }
        }
    }
}
