//! What a model runs on: graphics devices where the build has them, else the processor.

use llama_cpp_2::{LlamaBackendDevice, LlamaBackendDeviceType, list_llama_ggml_backend_devices};

use super::super::{memory::Plan, wire::LoadSpec};
use crate::infer::hardware;

/// Left free on a device, for buffers that llama.cpp makes later and for other programs.
const DEVICE_RESERVE: u64 = 512 << 20;

/// Layers to put on graphics devices: all where they fit, else as many as do. Without a device it
/// makes no difference.
pub(super) fn layers_that_fit(spec: &LoadSpec) -> u32 {
    let free: u64 = graphics()
        .map(|device| (device.memory_free as u64).saturating_sub(DEVICE_RESERVE))
        .sum();
    let plan = Plan::of(&spec.shape, spec.role, 1);
    layers(
        free,
        spec.shape.weight_bytes,
        plan.bytes(),
        spec.shape.layers,
    )
}

fn layers(free: u64, weights: u64, whole: u64, count: u32) -> u32 {
    if free == 0 {
        return 0;
    }
    // One more than the layers: the output matrix.
    let parts = u64::from(count) + 1;
    if whole <= free {
        return parts as u32;
    }
    let context = whole - weights;
    let each = (weights / parts).max(1);
    (free.saturating_sub(context) / each).min(parts) as u32
}

/// In words, for `status` and `doctor`.
pub(super) fn describe(threads: u32) -> String {
    let threads = match threads {
        1 => "1 thread".to_owned(),
        count => format!("{count} threads"),
    };
    let graphics: Vec<String> = graphics()
        .map(|device| format!("{} ({})", device.description, device.backend))
        .collect();
    if !graphics.is_empty() {
        return format!("{}, {threads}", graphics.join(", "));
    }
    let sets = hardware::used();
    let sets = if sets.is_empty() {
        "no vector instructions".to_owned()
    } else {
        sets.join(" ")
    };
    format!("CPU: {sets}, {threads}")
}

/// Whether the model computes on a graphics device, even in part.
pub(super) fn has_graphics() -> bool {
    graphics().next().is_some()
}

fn graphics() -> impl Iterator<Item = LlamaBackendDevice> {
    list_llama_ggml_backend_devices()
        .into_iter()
        .filter(|device| {
            matches!(
                device.device_type,
                LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_layers_as_fit() {
        assert_eq!(layers(0, 100, 120, 9), 0, "no device");
        assert_eq!(layers(200, 100, 120, 9), 10, "everything");
        assert_eq!(
            layers(70, 100, 120, 9),
            5,
            "context, and half of the weights"
        );
        assert_eq!(layers(10, 100, 120, 9), 0, "not even the context");
    }
}
