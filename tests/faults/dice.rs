//! Numbers that look random and come from a seed: the same seed, the same faults.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// xorshift64*, after Vigna, "An experimental exploration of Marsaglia's xorshift generators".
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        // Neighbouring seeds must not give neighbouring numbers, and 0 would stay 0.
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            dice.next();
        }
        dice
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number of that range.
    pub fn of(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.of(0..100) < chance
    }

    /// A time of up to `most`, in microseconds, small ones as likely as large ones.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap().max(1);
        Duration::from_micros(self.of(0..most))
    }
}

/// `FAULTS_SEED`, or one that nobody has seen yet. Printed, so that a run can be drawn again.
pub fn seed() -> u64 {
    let given = std::env::var("FAULTS_SEED").ok();
    let seed = match given.as_deref().map(str::parse) {
        Some(Ok(seed)) => seed,
        Some(Err(_)) => panic!("FAULTS_SEED is no number"),
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) ^ (now.as_secs() << 30)
        }
    };
    eprintln!("FAULTS_SEED={seed}");
    seed
}
