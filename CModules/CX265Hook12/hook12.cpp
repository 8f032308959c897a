// SPDX-License-Identifier: GPL-2.0-or-later
//
// libx265's own classes differ between bit depths: only code compiled for the depth may look into an encoder.
#include "common.h"
#include "encoder.h"
#include "veil_x265_hook12.h"

static const void *parameters(void *encoder) {
    return static_cast<X265_NS::Encoder *>(static_cast<x265_encoder *>(encoder))->m_param;
}

extern "C" int veil_x265_set_hooks12(void *encoder, const veil_x265_hooks *hooks) {
    return veil_x265_add_hooks(parameters(encoder), hooks);
}

extern "C" void veil_x265_remove_hooks12(void *encoder) { veil_x265_drop_hooks(parameters(encoder)); }
