// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which encoder has which hooks. libx265's threads know an encoder by its parameters alone.
#include <atomic>
#include <mutex>

#include "common.h"
#include "encoder.h"
#include "veil_bins.h"

namespace {

struct Entry {
    std::atomic<const void *> param{nullptr};
    veil_x265_hooks hooks;
};

Entry entries[64];
std::mutex changes;

const void *parameters(void *encoder) {
    return static_cast<X265_NS::Encoder *>(static_cast<x265_encoder *>(encoder))->m_param;
}

}  // namespace

const veil_x265_hooks *veil_x265_find_hooks(const void *param) {
    for (const Entry &entry : entries)
        if (entry.param.load(std::memory_order_acquire) == param) return &entry.hooks;
    return nullptr;
}

extern "C" int veil_x265_add_hooks(const void *param, const veil_x265_hooks *hooks) {
    std::lock_guard<std::mutex> lock(changes);
    for (Entry &entry : entries) {
        if (entry.param.load() == nullptr) {
            entry.hooks = *hooks;
            entry.param.store(param, std::memory_order_release);
            return 0;
        }
    }
    return -1;
}

extern "C" void veil_x265_drop_hooks(const void *param) {
    std::lock_guard<std::mutex> lock(changes);
    for (Entry &entry : entries)
        if (entry.param.load() == param) entry.param.store(nullptr, std::memory_order_release);
}

extern "C" int veil_x265_set_hooks(void *encoder, const veil_x265_hooks *hooks) {
    return veil_x265_add_hooks(parameters(encoder), hooks);
}

extern "C" void veil_x265_remove_hooks(void *encoder) { veil_x265_drop_hooks(parameters(encoder)); }
