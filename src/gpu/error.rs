//! Why the GPUs can't be read.

/// A situation in which there is no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GpuError {
    #[error("there is no NVIDIA driver here: `{library}` can't be loaded")]
    NoLibrary { library: String, reason: String },
    #[error("the NVIDIA driver is not loaded")]
    NoDriver,
    #[error("the NVIDIA driver found no GPU")]
    NoGpu,
    #[error("the NVIDIA driver and its library are of different versions")]
    VersionMismatch,
    #[error("this user may not ask the NVIDIA driver")]
    NoPermission,
    #[error("GPU {index} fell off the bus or needs a reset")]
    Lost { index: u32 },
    #[error("NVML failed on GPU {index}: {reason}")]
    Unread { index: u32, reason: String },
    #[error("GPU {index} may not be seen from here")]
    Hidden { index: u32 },
    #[error("the NVIDIA driver is too old: {reason}")]
    TooOld { reason: String },
    #[error("NVML failed: {reason}")]
    Failed { reason: String },
    #[error("NVML did not answer within {seconds} s")]
    Hung { seconds: u64 },
    #[error("`nvidia-smi` said something unexpected: `{text}`")]
    Unexpected { text: String },
}

impl GpuError {
    /// Whether this only says that there is no GPU to read.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::NoLibrary { .. } | Self::NoDriver | Self::NoGpu)
    }
}
