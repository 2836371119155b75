//! How much memory a model takes, planned before it is loaded, and who has reserved how much.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::Role,
    infer::backend::{InferError, ModelShape},
};

/// Longest input we make room for, whatever the model was trained on: pooled inputs must fit one
/// physical batch, whose compute buffers grow with it.
const MAX_WINDOW: u32 = 2048;

/// Tokens of a generator's physical batch: its prompts are read in pieces.
pub(super) const GENERATE_BATCH: u32 = 512;

/// What is left to the rest of the system.
const RESERVE: u64 = 256 << 20;

const MIB: u64 = 1 << 20;

/// Tokens of the longest input that a model gets room for.
pub(super) fn window(shape: &ModelShape) -> u32 {
    shape.context_tokens.clamp(1, MAX_WINDOW)
}

/// Contexts of a model in a role: for one that pools, one for interactive work, and up to four for
/// bulk work, each with its share of the threads. Within one decode the threads wait for each other
/// after every small matrix, which costs MiniLM a fourth of its pace on two of them; beside each
/// other they do not. Every context costs memory.
pub(super) fn contexts(shape: &ModelShape, role: Role, threads: u32) -> u32 {
    if role == Role::Embed || shape.encoder {
        1 + threads.clamp(1, 4)
    } else {
        1
    }
}

/// The memory of one loaded model, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    weights: u64,
    /// Keys and values, with compute buffers.
    context: u64,
    context_tokens: u32,
}

impl Plan {
    /// What a model takes in a role, with so many contexts. KV cells hold half floats. Compute buffers follow the largest
    /// tensors that live at once in llama.cpp's graphs: a layer's activations and its attention
    /// scores for one physical batch and, where words are predicted, the logits of its outputs.
    pub(super) fn of(shape: &ModelShape, role: Role, contexts: u32) -> Self {
        let window = u64::from(window(shape));
        let (cells, batch) = match role {
            Role::Embed => (window, window),
            // The prefix, and a batch of candidates behind it.
            Role::Rerank => (2 * window, window),
            Role::Generate => (window, window.min(u64::from(GENERATE_BATCH))),
        };
        let layers = u64::from(shape.layers);
        let keys_and_values = if shape.encoder {
            0
        } else {
            cells * layers * u64::from(shape.key_value_length) * 2
        };
        let width = u64::from(shape.embedding_length);
        // Hidden state, its feed-forward expansion, queries, keys and values.
        let activations = batch * width * 12 * 4;
        // Heads are 64 wide in most models; scores are floats.
        let scores = batch * cells * (width / 64).max(1) * 4;
        let logits = if role == Role::Embed || shape.encoder {
            0
        } else {
            64 * u64::from(shape.vocabulary) * 4
        };
        Self {
            weights: shape.weight_bytes,
            context: u64::from(contexts) * (keys_and_values + activations + scores + logits),
            context_tokens: window as u32,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.weights + self.context
    }

    fn refused(&self, role: Role, name: &str, free: u64) -> InferError {
        InferError::Memory {
            role,
            name: name.to_owned(),
            needed_mib: self.bytes().div_ceil(MIB),
            weights_mib: self.weights.div_ceil(MIB),
            context_mib: self.context.div_ceil(MIB),
            context_tokens: self.context_tokens,
            free_mib: free / MIB,
        }
    }
}

/// Who has reserved how much. Shared by the roles.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Most bytes that all models together may take.
    limit: Option<u64>,
    entries: Mutex<BTreeMap<Role, Entry>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    bytes: u64,
    /// Whether the system counts it as taken by now.
    resident: bool,
}

/// Memory set aside for a role, until dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Arc<Ledger>,
    role: Role,
}

impl Ledger {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Sets memory aside.
    ///
    /// # Errors
    /// [`InferError::Memory`] with the numbers, when it is not there.
    pub(super) fn reserve(
        self: &Arc<Self>,
        role: Role,
        name: &str,
        plan: &Plan,
    ) -> Result<Reservation, InferError> {
        self.reserve_of(available(), role, name, plan)
    }

    fn reserve_of(
        self: &Arc<Self>,
        available: Option<u64>,
        role: Role,
        name: &str,
        plan: &Plan,
    ) -> Result<Reservation, InferError> {
        let mut entries = self.entries();
        let sum = |only_coming: bool| -> u64 {
            entries
                .iter()
                .filter(|(other, entry)| **other != role && !(only_coming && entry.resident))
                .map(|(_, entry)| entry.bytes)
                .sum()
        };
        let of_system = available.map(|free| free.saturating_sub(RESERVE + sum(true)));
        let of_limit = self.limit.map(|limit| limit.saturating_sub(sum(false)));
        let free = of_system.into_iter().chain(of_limit).min();
        if let Some(free) = free
            && plan.bytes() > free
        {
            return Err(plan.refused(role, name, free));
        }
        let entry = Entry {
            bytes: plan.bytes(),
            resident: false,
        };
        entries.insert(role, entry);
        Ok(Reservation {
            ledger: Arc::clone(self),
            role,
        })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Role, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The model is loaded: the system's own figures count it.
    pub(super) fn settle(&self) {
        if let Some(entry) = self.ledger.entries().get_mut(&self.role) {
            entry.resident = true;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.entries().remove(&self.role);
    }
}

/// Memory that can be had without swapping, in bytes: the system's, or the control group's where
/// that is less. `None` where neither is told.
fn available() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| mem_available(&text));
    let group = control_group();
    system.into_iter().chain(group).min()
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What the process's control group (version 2) leaves.
fn control_group() -> Option<u64> {
    let path = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = path.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = std::path::Path::new("/sys/fs/cgroup").join(path);
    let number = |file: &str| -> Option<u64> {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        text.trim().parse().ok()
    };
    // "max" is no number: no limit.
    let limit = number("memory.max")?;
    let used = number("memory.current")?;
    let reclaimable = fs::read_to_string(folder.join("memory.stat"))
        .ok()
        .and_then(|stat| {
            let line = stat
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file "))?;
            line.parse::<u64>().ok()
        });
    Some(limit.saturating_sub(used.saturating_sub(reclaimable.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SmolLM2-135M's measures.
    fn generator() -> ModelShape {
        ModelShape {
            weight_bytes: 96 * MIB,
            layers: 30,
            embedding_length: 576,
            key_value_length: 2 * 192,
            vocabulary: 49152,
            context_tokens: 8192,
            encoder: false,
        }
    }

    #[test]
    fn a_plan_counts_weights_cells_and_buffers() {
        let plan = Plan::of(&generator(), Role::Generate, 1);
        let cells = 2048 * 30 * 384 * 2;
        assert!(plan.context > cells && plan.context < 3 * cells);
        assert_eq!(plan.bytes(), 96 * MIB + plan.context);
        let encoder = ModelShape {
            encoder: true,
            ..generator()
        };
        assert!(Plan::of(&encoder, Role::Generate, 1).context < plan.context - cells / 2);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let ledger = Arc::new(Ledger::new(Some(300 * MIB)));
        let plan = Plan::of(&generator(), Role::Generate, 1);
        let held = ledger.reserve_of(None, Role::Generate, "a", &plan).unwrap();
        let error = ledger
            .reserve_of(None, Role::Rerank, "b", &plan)
            .unwrap_err();
        let InferError::Memory {
            needed_mib,
            weights_mib,
            free_mib,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(weights_mib, 96);
        assert!(needed_mib > free_mib);
        drop(held);
        assert!(ledger.reserve_of(None, Role::Rerank, "b", &plan).is_ok());
    }

    #[test]
    fn models_on_their_way_count_against_the_system() {
        let ledger = Arc::new(Ledger::new(None));
        let plan = Plan::of(&generator(), Role::Generate, 1);
        let free = Some(RESERVE + plan.bytes() + MIB);
        let first = ledger.reserve_of(free, Role::Generate, "a", &plan).unwrap();
        assert!(ledger.reserve_of(free, Role::Rerank, "b", &plan).is_err());
        first.settle();
        assert!(ledger.reserve_of(free, Role::Rerank, "b", &plan).is_ok());
    }

    #[test]
    fn the_system_tells_its_free_memory() {
        let text = "MemTotal:  100 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(mem_available(text), Some(2 * MIB));
        assert_eq!(mem_available("MemTotal: 1 kB\n"), None);
    }
}
