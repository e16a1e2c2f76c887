//! A hash that costs little where nothing is optimized: the walk hashes each state that an event led
//! to, and with the standard library's hasher that took most of its time. Nobody chooses the states
//! to collide, and two that do are told apart by comparing them.

use std::hash::{BuildHasherDefault, Hasher};

pub(super) type Hashing = BuildHasherDefault<Mixer>;

#[derive(Default)]
pub(super) struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        // An odd number with its bits spread, as in Knuth's multiplicative hashing.
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ 0x2545_f491_4f6c_dd1d;
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    // The derived hash of an enum writes its discriminant as one.
    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
