//! The numbers of a synthetic workload: where each comes from, and how large each may be.
//!
//! An explicit number in the workload's own block wins over the file's top-level key of the same
//! name, that wins over the preset that the file's model names, that wins over the default.

use serde::{Deserialize, Serialize};

/// The `synthetic` block as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Block {
    hidden: Option<u64>,
    layers: Option<u64>,
    tokens: Option<u64>,
    batch_size: Option<u64>,
    #[serde(default)]
    seed: u64,
}

/// The same numbers as top-level keys of an experiment file, next to whatever else is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct Sizes {
    hidden: Option<u64>,
    layers: Option<u64>,
    tokens: Option<u64>,
    batch_size: Option<u64>,
}

/// Every number of a synthetic workload, decided and in range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct Settings {
    /// Width of each layer: a layer is `hidden` × `hidden` weights.
    pub(crate) hidden: u32,
    /// Layers that every token goes through.
    pub(crate) layers: u32,
    /// Tokens of one sequence.
    pub(crate) tokens: u32,
    /// Sequences that are computed side by side.
    pub(crate) batch_size: u32,
    /// Batches, one after the other.
    pub(crate) samples: u32,
    /// What the weights and the inputs are made from.
    pub(crate) seed: u64,
}

/// A number that makes no sense, by the key that has it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Zero, or larger than anybody means.
    #[error("`{key}` is {value}, but must be between 1 and {most}")]
    OutOfRange { key: &'static str, value: u64, most: u32 },
    /// Each number is in range, but not all of them together.
    #[error(
        "`hidden` {hidden}, `layers` {layers} and `batch_size` {batch_size} need {mebibytes} MiB \
         of memory, more than the {} MiB that a synthetic workload may use",
        MEMORY_LIMIT >> 20
    )]
    TooLarge { hidden: u32, layers: u32, batch_size: u32, mebibytes: u64 },
}

/// Bytes of weights and activations that a synthetic workload may allocate.
const MEMORY_LIMIT: u64 = 1 << 30;

const DEFAULT_TOKENS: u64 = 64;

/// Width and depth by the name of a model.
const PRESETS: [(&str, u64, u64); 3] = [("tiny", 128, 2), ("small", 512, 4), ("medium", 1024, 8)];
/// What a file without a known model gets: `small`.
const DEFAULT_PRESET: (&str, u64, u64) = PRESETS[1];

impl Settings {
    /// Decides every number. `models` are the file's model names, the first known one counts;
    /// a real model's name is no preset and leaves the defaults.
    pub(crate) fn resolve(
        block: &Block,
        file: &Sizes,
        models: &[String],
        samples: Option<u64>,
    ) -> Result<Self, SettingsError> {
        let preset = |model: &String| PRESETS.into_iter().find(|(name, ..)| name == model);
        let (_, hidden, layers) = models.iter().find_map(preset).unwrap_or(DEFAULT_PRESET);
        let settings = Settings {
            hidden: in_range("hidden", block.hidden.or(file.hidden).unwrap_or(hidden), 16_384)?,
            layers: in_range("layers", block.layers.or(file.layers).unwrap_or(layers), 1_024)?,
            tokens: in_range(
                "tokens",
                block.tokens.or(file.tokens).unwrap_or(DEFAULT_TOKENS),
                1_000_000,
            )?,
            batch_size: in_range(
                "batch_size",
                block.batch_size.or(file.batch_size).unwrap_or(1),
                4_096,
            )?,
            samples: in_range("num_samples", samples.unwrap_or(1), 1_000_000)?,
            seed: block.seed,
        };
        settings.fits()
    }

    /// Tokens of the whole workload.
    pub(crate) fn total_tokens(&self) -> u64 {
        u64::from(self.samples) * u64::from(self.tokens) * u64::from(self.batch_size)
    }

    fn fits(self) -> Result<Self, SettingsError> {
        let Settings { hidden, layers, batch_size, .. } = self;
        let width = u64::from(hidden);
        // The states of a batch are held twice: what goes into a layer and what comes out.
        let numbers = u64::from(layers) * width * width + 2 * u64::from(batch_size) * width;
        let bytes = numbers * 4;
        if bytes > MEMORY_LIMIT {
            let mebibytes = bytes.div_ceil(1 << 20);
            return Err(SettingsError::TooLarge { hidden, layers, batch_size, mebibytes });
        }
        Ok(self)
    }
}

fn in_range(key: &'static str, value: u64, most: u32) -> Result<u32, SettingsError> {
    match u32::try_from(value) {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(SettingsError::OutOfRange { key, value, most }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(block: Block, file: Sizes, model: &str) -> Result<Settings, SettingsError> {
        Settings::resolve(&block, &file, &[model.to_owned()], None)
    }

    #[test]
    fn an_empty_file_gets_the_defaults() {
        let settings = resolve(Block::default(), Sizes::default(), "").expect("valid");
        let expected =
            Settings { hidden: 512, layers: 4, tokens: 64, batch_size: 1, samples: 1, seed: 0 };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_known_model_chooses_the_size_and_any_other_keeps_the_defaults() {
        for (model, hidden, layers) in
            [("tiny", 128, 2), ("small", 512, 4), ("medium", 1024, 8), ("gpt2", 512, 4)]
        {
            let settings = resolve(Block::default(), Sizes::default(), model).expect("valid");
            assert_eq!((settings.hidden, settings.layers), (hidden, layers), "{model}");
        }
    }

    #[test]
    fn the_block_wins_over_the_file_and_the_file_over_the_model() {
        let block = Block { hidden: Some(32), ..Block::default() };
        let file = Sizes { hidden: Some(64), layers: Some(3), ..Sizes::default() };
        let settings = resolve(block, file, "medium").expect("valid");
        assert_eq!((settings.hidden, settings.layers), (32, 3));
    }

    #[test]
    fn zero_and_absurd_numbers_are_refused_by_the_name_of_their_key() {
        let zero = Block { tokens: Some(0), ..Block::default() };
        let absurd = Block { hidden: Some(u64::MAX), ..Block::default() };
        for (block, key) in [(zero, "tokens"), (absurd, "hidden")] {
            let error = resolve(block, Sizes::default(), "").expect_err(key);
            assert!(error.to_string().starts_with(&format!("`{key}` is ")), "{error}");
        }
        let error = Settings::resolve(&Block::default(), &Sizes::default(), &[], Some(0));
        assert!(error.is_err_and(|e| e.to_string().contains("`num_samples` is 0")));
    }

    #[test]
    fn a_workload_may_fill_a_gibibyte_and_no_more() {
        let sized = |layers| Block { hidden: Some(8192), layers: Some(layers), ..Block::default() };
        assert!(resolve(sized(3), Sizes::default(), "").is_ok());
        let error = resolve(sized(4), Sizes::default(), "").expect_err("too large");
        assert!(error.to_string().contains("need 1025 MiB"), "{error}");
    }
}
