// SPDX-License-Identifier: GPL-2.0-or-later

// What of Foundation all modules use: its essential part, where that is a module of its own. All of Foundation would
// bring regular expressions, formats of numbers and dates, and tables of languages into every program that is linked
// statically: 9 MB of which nothing here is used. So no module imports Foundation; each imports this one.
@_exported import Dispatch

#if canImport(FoundationEssentials)
    @_exported import FoundationEssentials
#else
    @_exported import Foundation
#endif

#if canImport(Glibc)
    @_exported import Glibc
#elseif canImport(Musl)
    @_exported import Musl
#elseif canImport(Darwin)
    @_exported import Darwin
#endif
