//! The processor's vector instructions: which this build uses, and which it leaves lying.

/// An instruction set that llama.cpp has kernels for.
struct InstructionSet {
    name: &'static str,
    /// Compiled in. llama.cpp is built for the same target as this program.
    used: bool,
    /// Whether this processor has it.
    here: fn() -> bool,
}

macro_rules! x86 {
    ($name:literal, $feature:tt) => {
        InstructionSet {
            name: $name,
            used: cfg!(target_feature = $feature),
            here: || {
                #[cfg(target_arch = "x86_64")]
                let here = std::arch::is_x86_feature_detected!($feature);
                #[cfg(not(target_arch = "x86_64"))]
                let here = false;
                here
            },
        }
    };
}

macro_rules! arm {
    ($name:literal, $feature:tt) => {
        InstructionSet {
            name: $name,
            used: cfg!(target_feature = $feature),
            here: || {
                #[cfg(target_arch = "aarch64")]
                let here = std::arch::is_aarch64_feature_detected!($feature);
                #[cfg(not(target_arch = "aarch64"))]
                let here = false;
                here
            },
        }
    };
}

const SETS: [InstructionSet; 10] = [
    x86!("AVX", "avx"),
    x86!("AVX2", "avx2"),
    x86!("FMA", "fma"),
    x86!("F16C", "f16c"),
    x86!("AVX512F", "avx512f"),
    x86!("AVX512VNNI", "avx512vnni"),
    x86!("AVX512BF16", "avx512bf16"),
    arm!("NEON", "neon"),
    arm!("DOTPROD", "dotprod"),
    arm!("I8MM", "i8mm"),
];

/// Names of the instruction sets that this build uses.
pub fn used() -> Vec<&'static str> {
    names(|set| set.used)
}

/// Names of those that this processor has and this build does not use.
pub fn unused() -> Vec<&'static str> {
    names(|set| !set.used && (set.here)())
}

fn names(wanted: impl Fn(&InstructionSet) -> bool) -> Vec<&'static str> {
    SETS.iter()
        .filter(|set| wanted(set))
        .map(|set| set.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_used_or_not() {
        let used = used();
        assert!(unused().iter().all(|name| !used.contains(name)));
        // Running at all means that the processor has what was compiled in.
        assert!(SETS.iter().all(|set| !set.used || (set.here)()));
    }
}
