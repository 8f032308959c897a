// SPDX-License-Identifier: GPL-2.0-or-later

/// What is true of the library as a whole.
public enum VeilLibrary {
    /// Version of the libraries and the program.
    public static let version = "0.1.0"
}
