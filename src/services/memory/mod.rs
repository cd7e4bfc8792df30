//! The memory of the GPUs: who holds it, who may have it, and whether it came back.
//!
//! ```text
//! card      the GPUs, by what NVML says or by a budget
//! measured  who holds their memory: each running service, and everybody else
//! fit       what is left for a newcomer
//! eviction  who has to go for it
//! recovery  until it can start: the only one that waits
//! ```

pub(crate) mod card;
pub(crate) mod eviction;
pub(crate) mod fit;
pub(crate) mod measured;
pub(crate) mod recovery;
