//! ADAPTER: the GPUs of this machine, by NVML.
//!
//! A look at the GPUs is a value ([`reading`]); what its figures mean is arithmetic ([`memory`]).
//! [`nvml`] asks the driver of this machine, [`in_container`] reads what `nvidia-smi` answered
//! somewhere else, [`processes`] says who is behind a pid. Everything here blocks, though rarely for
//! long: callers that wait for something else meanwhile use a thread.

pub(crate) mod error;
pub(crate) mod in_container;
pub(crate) mod memory;
pub(crate) mod nvml;
pub(crate) mod processes;
pub(crate) mod reading;
