//! What `-march=native` asks of the CPU.

use zccache_core::{Digest, TaggedHasher};

/// A digest of what the `cpuid` instruction tells compilers about the model,
/// features and caches of this CPU (Intel SDM volume 2, CPUID).
#[cfg(target_arch = "x86_64")]
pub(crate) fn identity() -> Digest {
    use std::arch::x86_64::__cpuid_count;

    /// Leaves and how many subleaves of each gcc and LLVM look at.
    const LEAVES: &[(u32, u32)] = &[
        (0, 1),
        (1, 1),
        (2, 1),
        (4, 5),
        (7, 2),
        (0xd, 2),
        (0x14, 1),
        (0x19, 1),
        (0x8000_0000, 1),
        (0x8000_0001, 1),
        (0x8000_0005, 1),
        (0x8000_0006, 1),
        (0x8000_0008, 1),
    ];
    let mut hasher = TaggedHasher::new();
    for (leaf, subleaf) in LEAVES.iter().flat_map(|&(leaf, n)| (0..n).map(move |i| (leaf, i))) {
        let mut told = __cpuid_count(leaf, subleaf);
        if leaf == 1 {
            // Bits 31 to 24 name the core that happens to run this code.
            told.ebx &= 0x00ff_ffff;
        }
        if leaf == 0xd {
            // The size of the enabled state follows the thread, not the CPU.
            told.ebx = 0;
        }
        for register in [told.eax, told.ebx, told.ecx, told.edx] {
            hasher.field(0, &register.to_le_bytes());
        }
    }
    hasher.finish()
}
