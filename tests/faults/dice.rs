//! Times and seeds for the faults.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use crate::random::Dice;

impl Dice {
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
