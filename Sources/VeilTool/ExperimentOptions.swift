// SPDX-License-Identifier: GPL-2.0-or-later
import ArgumentParser
import Foundation

/// What the verbs that run experiments and write a report have in common.
struct ExperimentOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "Folder of the report.")
    var output: String
    @Option(help: "x265 preset of the base layer.")
    var preset: String = "medium"
    @Option(help: "Worker threads of each step, by default one a processor.", transform: ThreadCount.parse)
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "No progress.")
    var quiet = false
}
