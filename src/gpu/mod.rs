//! ADAPTER: the GPUs of this machine, by NVML.
//!
//! A look at the GPUs is a value ([`reading`]); what its figures mean is arithmetic ([`memory`]).
//! [`nvml`] asks the driver of this machine, [`in_container`] reads what `nvidia-smi` answered
//! somewhere else, [`processes`] says who is behind a pid. All of it blocks, but for [`look`], which
//! asks NVML in a thread.

pub(crate) mod error;
pub(crate) mod in_container;
pub(crate) mod look;
pub(crate) mod memory;
pub(crate) mod nvml;
pub(crate) mod processes;
pub(crate) mod reading;
