// SPDX-License-Identifier: GPL-2.0-or-later

/// Sample kernels written in Swift.
enum Kernels {}
