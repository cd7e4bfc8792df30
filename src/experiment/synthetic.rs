//! The synthetic workload: a fixed amount of arithmetic in the pattern of a decoder at inference.
//!
//! Token by token, layer by layer, `y = f(W·x)` for each sequence of a batch, single-threaded `f32`.
//! The same settings are the same operations in the same order on every machine, so the checksum
//! is the same too; it also makes the work impossible to leave out. It is no language model.

use super::settings::Settings;

/// Multiplications between two looks at whether to stop: well under a tenth of a second.
const STRIDE: usize = 1 << 20;

/// Sums that are kept side by side, so that a compiler may use vector instructions without
/// changing the order of additions.
const LANES: usize = 8;

/// The weights of all layers and the state of a batch.
pub(crate) struct Network {
    hidden: usize,
    weights: Vec<f32>,
    state: Vec<f32>,
    next: Vec<f32>,
    random: SplitMix,
}

impl Network {
    /// Makes the weights; `settings` bounds their memory.
    pub(crate) fn new(settings: &Settings) -> Self {
        let hidden = settings.hidden as usize;
        let states = hidden * settings.batch_size as usize;
        let mut random = SplitMix(settings.seed);
        // Uniform in ±1.5·√(3/hidden): a little above the width at which tanh layers die out.
        #[expect(clippy::cast_precision_loss, reason = "at most 16384, exact in f32")]
        let scale = 1.5 * (3.0 / settings.hidden as f32).sqrt();
        let numbers = hidden * hidden * settings.layers as usize;
        let weights = (0..numbers).map(|_| random.unit() * scale).collect();
        Network { hidden, weights, state: vec![0.0; states], next: vec![0.0; states], random }
    }

    /// Generates every token of every sample and returns a checksum of the states they end in.
    ///
    /// `stop` is asked often; once it says yes the rest is left out and the number means nothing.
    pub(crate) fn generate(&mut self, settings: &Settings, mut stop: impl FnMut() -> bool) -> u64 {
        let mut checksum = Fnv::default();
        let mut since_look = 0;
        for _ in 0..settings.samples {
            for value in &mut self.state {
                *value = self.random.unit();
            }
            for _ in 0..settings.tokens {
                for layer in self.weights.chunks_exact(self.hidden * self.hidden) {
                    for (row, weights) in layer.chunks_exact(self.hidden).enumerate() {
                        let sequences = self.state.chunks_exact(self.hidden);
                        let outputs = self.next.chunks_exact_mut(self.hidden);
                        for (input, output) in sequences.zip(outputs) {
                            output[row] = squash(dot(weights, input));
                        }
                        since_look += self.state.len();
                        if since_look >= STRIDE {
                            since_look = 0;
                            if stop() {
                                return checksum.0;
                            }
                        }
                    }
                    std::mem::swap(&mut self.state, &mut self.next);
                }
            }
            for value in &self.state {
                checksum.add(value.to_bits());
            }
        }
        checksum.0
    }
}

/// The dot product, its additions in one fixed order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

/// tanh to about four digits, from operations that every machine rounds alike: the C library's
/// `tanhf` differs in its last bits between libraries and processors.
fn squash(x: f32) -> f32 {
    let x = x.clamp(-4.97, 4.97);
    let s = x * x;
    let above = x * (135_135.0 + s * (17_325.0 + s * (378.0 + s)));
    let below = 135_135.0 + s * (62_370.0 + s * (3_150.0 + s * 28.0));
    above / below
}

/// The generator `SplitMix64`: a counter with a good mix, enough for made-up weights.
struct SplitMix(u64);

impl SplitMix {
    /// The next number, uniform in [-1, 1).
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let [high, low, ..] = z.to_be_bytes();
        f32::from(i16::from_be_bytes([high, low])) / 32_768.0
    }
}

/// The hash FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bits: u32) {
        for byte in bits.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings =
        Settings { hidden: 37, layers: 2, tokens: 5, batch_size: 3, samples: 2, seed: 7 };

    fn checksum(settings: &Settings) -> u64 {
        Network::new(settings).generate(settings, || false)
    }

    #[test]
    fn the_same_settings_give_the_same_checksum_on_every_machine_and_in_every_build() {
        assert_eq!(format!("{:016x}", checksum(&SETTINGS)), "c0c9fcc31da08b7a");
    }

    #[test]
    fn every_setting_changes_the_work() {
        let others = [
            Settings { hidden: 38, ..SETTINGS },
            Settings { layers: 3, ..SETTINGS },
            Settings { tokens: 6, ..SETTINGS },
            Settings { batch_size: 4, ..SETTINGS },
            Settings { samples: 3, ..SETTINGS },
            Settings { seed: 8, ..SETTINGS },
        ];
        for other in others {
            assert_ne!(checksum(&other), checksum(&SETTINGS), "{other:?}");
        }
    }

    #[test]
    fn long_sequences_stay_alive() {
        let settings = Settings { tokens: 200, ..SETTINGS };
        let mut network = Network::new(&settings);
        network.generate(&settings, || false);
        let mean = network.state.iter().map(|v| v.abs()).sum::<f32>() / 111.0;
        assert!(mean > 0.1 && mean < 1.0, "{mean}");
    }

    #[test]
    fn the_squashing_function_is_close_to_tanh() {
        for step in -60_i8..=60 {
            let x = f32::from(step) / 10.0;
            assert!((squash(x) - x.tanh()).abs() < 2e-4, "{x}");
        }
    }

    #[test]
    fn work_that_is_told_to_stop_stops_at_the_next_look() {
        let endless = Settings { hidden: 256, tokens: 1_000_000, samples: 1_000_000, ..SETTINGS };
        let mut looks = 0;
        Network::new(&endless).generate(&endless, || {
            looks += 1;
            looks == 2
        });
        assert_eq!(looks, 2);
    }
}
